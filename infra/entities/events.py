"""Which domain events a change tells: one per kind of change; `updated` has what no other event tells. Pure.

Of assets these rules are for their own columns. Device snapshots have more (`sinks.actions.assets.events`): details of
devices change without anybody's doing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

Row = Mapping[str, Any]


class Told(NamedTuple):
    """One event to emit. `changes`: the part of the changes that it tells."""

    event_type: str
    changes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """A kind of change with an event of its own.

    It is told when `trigger` (any of its columns) changed and `when` holds of the row after it; it tells the changes of
    `columns`, which `updated` then leaves out.
    """

    event_type: str
    trigger: frozenset[str]
    columns: frozenset[str]
    when: Callable[[Row], bool] = bool


@dataclass(frozen=True, slots=True)
class EntityEvents:
    """The events of one entity type. `created`, `updated` None: that, or its other changes, are told to nobody."""

    created: str | None
    updated: str | None
    own: tuple[OwnEvent, ...] = ()
    silent: frozenset[str] = frozenset({"updated_at"})


def _own(event_type: str, trigger: str, *columns: str, when: Callable[[Row], bool] = bool) -> OwnEvent:
    return OwnEvent(event_type, frozenset({trigger}), frozenset({trigger, *columns}), when)


def _is_closed(row: Row) -> bool:
    return bool(row["is_closed"])


def _is_inactive(row: Row) -> bool:
    return bool(row["is_inactive"])


def _is_active(row: Row) -> bool:
    return not row["is_inactive"]


def _is_in_service(row: Row) -> bool:
    return bool(row["is_active"])


def _is_out_of_service(row: Row) -> bool:
    return not row["is_active"]


def _is_paid(row: Row) -> bool:
    return bool(row["status"] == "paid")


ENTITY_EVENTS: Mapping[str, EntityEvents] = MappingProxyType(
    {
        "ticket": EntityEvents(
            "ticket.created",
            "ticket.updated",
            (
                OwnEvent("ticket.assigned", *(frozenset({"assigned_to", "assigned_team_id"}),) * 2),
                _own("ticket.status_changed", "status_id", "is_closed", "closed_at"),
                OwnEvent("ticket.closed", frozenset({"is_closed"}), frozenset({"closed_at"}), _is_closed),
            ),
            frozenset({"updated_at", "is_closed", "closed_at"}),
        ),
        "client": EntityEvents(
            "client.created",
            "client.updated",
            (
                _own("client.activated", "is_inactive", when=_is_active),
                _own("client.deactivated", "is_inactive", when=_is_inactive),
            ),
        ),
        "contact": EntityEvents(
            "contact.created",
            "contact.updated",
            (
                _own("contact.activated", "is_inactive", when=_is_active),
                _own("contact.deactivated", "is_inactive", when=_is_inactive),
            ),
        ),
        "asset": EntityEvents(
            "asset.created",
            "asset.updated",
            (
                _own("asset.activated", "is_active", when=_is_in_service),
                _own("asset.deactivated", "is_active", when=_is_out_of_service),
            ),
        ),
        "invoice": EntityEvents(
            None,
            None,
            (
                _own("invoice.status_changed", "status", "paid_at", "payment_reference"),
                OwnEvent(
                    "invoice.paid", frozenset({"status"}), frozenset({"paid_at", "payment_reference"}), when=_is_paid
                ),
            ),
        ),
        "time_entry": EntityEvents("time_entry.created", "time_entry.updated"),
        "project_task": EntityEvents(
            "project_task.created",
            "project_task.updated",
            (
                _own("project_task.assigned", "assigned_to"),
                _own("project_task.status_changed", "status_id", "is_closed", "completed_at"),
                OwnEvent("project_task.completed", frozenset({"is_closed"}), frozenset({"completed_at"}), _is_closed),
            ),
            frozenset({"updated_at", "is_closed", "completed_at", "status_scope_id"}),
        ),
    }
)


def events_of_changes(entity_type: str, changes: Mapping[str, Any], after: Row) -> list[Told]:
    """What `changes` (`{column: {previous, new}}`), which led to `after`, tell; `updated` comes first."""
    rules = ENTITY_EVENTS[entity_type]
    own = [one for one in rules.own if one.trigger & changes.keys() and one.when(after)]
    of_own = frozenset[str]().union(*(one.columns for one in own))
    plain = frozenset(changes) - rules.silent - of_own
    told = [(rules.updated, plain)] if rules.updated is not None else []
    told += [(one.event_type, one.columns & changes.keys()) for one in own]
    return [Told(name, {column: changes[column] for column in sorted(columns)}) for name, columns in told if columns]
