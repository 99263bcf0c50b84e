"""What each action is given and what comes of it, declared case by case; `action_matrix` runs it.

In texts {id} stands for the external id of the case. What follows from the registry alone is not declared: every field
is given a value of another type, every required one is left out, every reference is another tenant's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_EXISTS = "CONFLICT external_id"
_ONE_OF_EIGHT = {"changed": 1, "unchanged": 7}
_ONE_MADE = {"created": 1, "unchanged": 7}
_ONE_MADE_OTHERS_REFUSED = {"created": 1, _EXISTS: 7}


@dataclass(frozen=True, slots=True)
class Cannot:
    """Why an action cannot have a case."""

    reason: str

    @property
    def cell(self) -> dict[str, str]:
        """As the matrix shows it."""
        return {"cannot": self.reason}


@dataclass(frozen=True, slots=True)
class Conflict:
    """A clash: `at` is the field it is named at, `fields` differ from those that succeed, `given` is there before."""

    at: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    given: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCells:
    """`fields` succeed once what is `given` is there: the outcome is `ok`, and `events` are told.

    `replayed`: the outcome under another replay id. `at_once`: outcomes of eight such commands at the same time.
    `beside`: by field, what else is needed for the field to be looked at. `required_one_of`: groups that the handler
    checks, and not the registry.
    """

    fields: Mapping[str, Any]
    ok: str
    events: tuple[str, ...]
    conflict: Conflict | Cannot
    replayed: str
    at_once: Mapping[str, int]
    given: tuple[str, ...] = ()
    miss: Cannot | None = None
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    required_one_of: tuple[tuple[str, ...], ...] = ()


_NOTHING_TO_SHARE = Cannot("What it sets may be the same for any number of entities.")
_CATEGORY = {"category_id": "Hardware"}
_OF_A_TICKET = {"work_item_type": "ticket"}

CELLS: Mapping[str, ActionCells] = {
    "createTicket": ActionCells(
        fields={"external_id": "{id}", "title": "Disk full", "client_id": "Acme Ltd"},
        ok="created",
        events=("ticket.created",),
        conflict=Conflict("external_id", given=("createTicket",)),
        replayed=_EXISTS,
        at_once=_ONE_MADE_OTHERS_REFUSED,
        beside={"subcategory_id": _CATEGORY},
    ),
    "updateTicketByExternalId": ActionCells(
        given=("createTicket",),
        fields={"external_id": "{id}", "priority_id": "Critical", "assigned_to": "technician"},
        ok="changed",
        events=("ticket.updated", "ticket.assigned"),
        conflict=_NOTHING_TO_SHARE,
        replayed="unchanged",
        at_once=_ONE_OF_EIGHT,
        beside={"subcategory_id": _CATEGORY},
    ),
    "addTicketCommentByExternalId": ActionCells(
        given=("createTicket",),
        fields={"external_id": "{id}", "content": "The disk was replaced"},
        ok="changed",
        events=("ticket.comment_added",),
        conflict=Cannot("A ticket takes any number of comments, also of the same text."),
        replayed="changed",
        at_once={"changed": 8},
    ),
    "changeTicketStatusByExternalId": ActionCells(
        given=("createTicket",),
        fields={"external_id": "{id}", "status_id": "Closed"},
        ok="changed",
        events=("ticket.status_changed", "ticket.closed"),
        conflict=_NOTHING_TO_SHARE,
        replayed="unchanged",
        at_once=_ONE_OF_EIGHT,
    ),
    "upsertClientByExternalId": ActionCells(
        fields={"external_id": "{id}", "client_name": "Client {id}", "city": "Berlin"},
        ok="created",
        events=("client.created",),
        miss=Cannot("It names no other entity, and an id that is not mapped makes a client."),
        conflict=Conflict("client_name", {"client_name": "ACME LTD"}),
        replayed="unchanged",
        at_once=_ONE_MADE,
    ),
    "setClientActiveByExternalId": ActionCells(
        given=("upsertClientByExternalId",),
        fields={"external_id": "{id}", "active": False},
        ok="changed",
        events=("client.deactivated",),
        conflict=_NOTHING_TO_SHARE,
        replayed="unchanged",
        at_once=_ONE_OF_EIGHT,
    ),
    "upsertContactByExternalId": ActionCells(
        fields={
            "external_id": "{id}",
            "full_name": "Nora New",
            "email": "{id}@acme.example",
            "client_id": "Acme Ltd",
        },
        ok="created",
        events=("contact.created",),
        conflict=Conflict("email", {"email": "CARLA@acme.example"}),
        replayed="unchanged",
        at_once=_ONE_MADE,
        required_one_of=(("client_id", "client_external_id"),),
    ),
    "upsertAssetByExternalId": ActionCells(
        fields={"external_id": "{id}", "client_id": "Acme Ltd", "asset_tag": "{id}"},
        ok="created",
        events=("asset.created",),
        conflict=Conflict("asset_tag", {"asset_tag": "acme-0001"}),
        replayed="unchanged",
        at_once=_ONE_MADE,
        required_one_of=(("client_id", "client_external_id"),),
    ),
    "markInvoicePaidByExternalId": ActionCells(
        given=("a sent invoice",),
        fields={"external_id": "{id}", "paid_at": "2026-03-02T09:30:00Z", "payment_reference": "SEPA 4711"},
        ok="changed",
        events=("invoice.status_changed", "invoice.paid"),
        conflict=Conflict("external_id", given=("its cancellation",)),
        replayed="unchanged",
        at_once=_ONE_OF_EIGHT,
    ),
    "updateInvoiceStatusByExternalId": ActionCells(
        given=("a sent invoice",),
        fields={"external_id": "{id}", "status": "overdue"},
        ok="changed",
        events=("invoice.status_changed",),
        conflict=Conflict("status", given=("its cancellation",)),
        replayed="unchanged",
        at_once=_ONE_OF_EIGHT,
    ),
    "createTimeEntry": ActionCells(
        given=("a user and a period",),
        fields={
            "external_id": "{id}",
            "user_id": "{id}",
            "work_item_type": "ad_hoc",
            "service_id": "Remote support",
            "start_time": "2024-03-02T13:00:00Z",
            "duration_minutes": 90,
        },
        ok="created",
        events=("time_entry.created",),
        conflict=Conflict("external_id", given=("createTimeEntry",)),
        replayed=_EXISTS,
        at_once=_ONE_MADE_OTHERS_REFUSED,
        beside={"work_item_id": _OF_A_TICKET, "work_item_external_id": _OF_A_TICKET},
    ),
    "createProjectTask": ActionCells(
        fields={"external_id": "{id}", "project_id": "Server rollout", "task_name": "Order the server"},
        ok="created",
        events=("project_task.created",),
        conflict=Conflict("external_id", given=("createProjectTask",)),
        replayed=_EXISTS,
        at_once=_ONE_MADE_OTHERS_REFUSED,
    ),
    "updateProjectTaskStatusByExternalId": ActionCells(
        given=("createProjectTask",),
        fields={"external_id": "{id}", "status_id": "Done"},
        ok="changed",
        events=("project_task.status_changed", "project_task.completed"),
        conflict=_NOTHING_TO_SHARE,
        replayed="unchanged",
        at_once=_ONE_OF_EIGHT,
    ),
    "addTagToEntityByExternalId": ActionCells(
        given=("createTicket",),
        fields={"external_id": "{id}", "entity_type": "ticket", "tag_text": "{id}"},
        ok="changed",
        events=("entity.tagged",),
        conflict=Cannot("A tag of that text is used, and one that is on the entity stays on it."),
        replayed="unchanged",
        at_once=_ONE_OF_EIGHT,
    ),
}
