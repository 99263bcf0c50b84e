"""Every permission there is: `resource:operation`. A role or a key holds some of them; the admin role holds all."""

from collections.abc import Iterable

_ALL = ("create", "read", "update", "delete")

RESOURCES: dict[str, tuple[str, ...]] = {
    "alert": ("read", "update"),
    "api_key": ("create", "read", "delete"),
    "asset": _ALL,
    "audit_entry": ("read",),
    "board": _ALL,
    "client": _ALL,
    "client_location": _ALL,
    "contact": _ALL,
    "delivery": ("read", "export", "erase"),
    "event_type": ("create", "read", "delete"),
    "external_entity_mapping": _ALL,
    "inbound_webhook": ("create", "read", "update", "delete", "replay"),
    "interaction": _ALL,
    "invoice": _ALL,
    "ledger": ("read",),
    "metric": ("read",),
    "non_billable_category": _ALL,
    "project": _ALL,
    "project_phase": _ALL,
    "project_status": _ALL,
    "project_task": _ALL,
    "rejection": ("read", "export"),
    "role": ("create", "read", "update", "delete"),
    "service": _ALL,
    "tag": _ALL,
    "team": _ALL,
    "tenant": ("read", "update"),
    "ticket": _ALL,
    "ticket_category": _ALL,
    "ticket_comment": ("create", "read"),
    "ticket_priority": _ALL,
    "ticket_status": _ALL,
    "time_entry": _ALL,
    "time_period": _ALL,
    "time_sheet": _ALL,
    "user": ("create", "read", "update", "delete"),
}
PERMISSIONS = frozenset(f"{resource}:{operation}" for resource, found in RESOURCES.items() for operation in found)
#: Stands for every permission, those of later releases too.
EVERYTHING = "*"


def expand(permissions: Iterable[str]) -> frozenset[str]:
    """The permissions meant; names of other releases are left out."""
    given = frozenset(permissions)
    return PERMISSIONS if EVERYTHING in given else given & PERMISSIONS
