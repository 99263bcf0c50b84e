"""One of every kind of entity that the API has, made through the API, with everything that it belongs to.

A kind without an example fails the tests that ask for all kinds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from tests.support.management import KnownTenant, ManagementBase
from tests.support.webhooks import webhook_body

Json = dict[str, Any]
_weeks = itertools.count()


@dataclass(frozen=True, slots=True)
class Example:
    """How a kind is made and changed. `parents`: members of its body that name another kind, by that kind's name.

    `body` gives the other members, with a new name each time. `patch` changes something. `taken`: a member whose value
    nobody else may have; None: there is none, or it is not alone in that. `time`: what lists are narrowed by.
    """

    path: str
    body: Callable[[], Json]
    patch: Json | Callable[[Json], Json]
    parents: Mapping[str, str] = field(default_factory=dict)
    taken: str | None = "name"
    time: str = "created_at"

    def patch_of(self, made: Json) -> Json:
        """What changes `made`."""
        return self.patch(made) if callable(self.patch) else self.patch


def _named(**members: Any) -> Callable[[], Json]:
    return lambda: {"name": f"Some {uuid4().hex}", **members}


def _period() -> Json:
    """Two days of a week that no other period has; the other five are for changes."""
    start = date(2030, 1, 7) + timedelta(weeks=next(_weeks))
    return {"start_date": start.isoformat(), "end_date": _later(start.isoformat())}


def _later(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


#: By the kind's name in permissions and paths.
EXAMPLES: Mapping[str, Example] = {
    "board": Example("/boards", _named(), {"name": "Another board", "is_active": False}),
    "ticket_status": Example(
        "/ticket-statuses", _named(position=2), {"position": 3, "is_closed": True}, {"board_id": "board"}
    ),
    "ticket_priority": Example("/ticket-priorities", _named(level=2), {"level": 3, "is_active": False}),
    "ticket_category": Example(
        "/ticket-categories", _named(), {"name": "Another category", "is_active": False}, {"board_id": "board"}
    ),
    "team": Example("/teams", _named(), {"name": "Another team", "is_active": False}),
    "service": Example("/services", _named(), {"name": "Another service", "is_active": False}),
    "client": Example(
        "/clients",
        _named(properties={"tier": 1}),
        {
            "client_type": "individual",
            "url": "https://acme.example",
            "email": "office@acme.example",
            "is_inactive": True,
        },
    ),
    "client_location": Example(
        "/client-locations", _named(), {"name": "Another location", "is_active": False}, {"client_id": "client"}
    ),
    "contact": Example(
        "/contacts",
        lambda: {"full_name": "Carla Contact", "email": f"{uuid4().hex}@acme.example"},
        {"full_name": "Carla Changed", "role": "owner", "phone": "+49 30 1", "is_inactive": True},
        {"client_id": "client"},
        taken="email",
    ),
    "asset": Example(
        "/assets",
        lambda: {"name": "srv-01", "asset_tag": f"tag-{uuid4().hex}"},
        {"asset_type": "server", "serial_number": "S1", "location": "Rack 1", "is_active": False},
        {"client_id": "client"},
        taken="asset_tag",
    ),
    "ticket": Example(
        "/tickets",
        lambda: {"title": "Printer on fire", "attributes": {"floor": 3}},
        {"title": "Printer is ashes", "description": "It was", "due_date": "2026-12-24T12:00:00.000Z"},
        {"client_id": "client", "board_id": "board", "status_id": "ticket_status"},
        taken=None,
    ),
    "invoice": Example(
        "/invoices",
        lambda: {"number": f"inv-{uuid4().hex}", "total_minor": 11_900, "currency": "EUR"},
        {"status": "sent", "total_minor": -5, "currency": "USD"},
        {"client_id": "client"},
        taken="number",
    ),
    "project": Example(
        "/projects",
        _named(),
        {"name": "Another project", "description": "It is", "is_active": False},
        {"client_id": "client"},
    ),
    "project_phase": Example(
        "/project-phases", _named(position=1), {"position": 2, "is_active": False}, {"project_id": "project"}
    ),
    "project_status": Example(
        "/project-statuses",
        _named(position=1),
        {"position": 2, "is_closed": True, "is_active": False},
        {"project_id": "project"},
    ),
    "project_task": Example(
        "/project-tasks",
        lambda: {"task_name": "Order hardware"},
        {"task_name": "Order less", "estimated_hours": 1.5, "due_date": "2026-12-24T12:00:00.000Z"},
        {"project_id": "project", "phase_id": "project_phase", "status_id": "project_status"},
        taken=None,
    ),
    "non_billable_category": Example(
        "/non-billable-categories", _named(), {"name": "Another category", "is_active": False}
    ),
    "interaction": Example(
        "/interactions",
        lambda: {"title": "A call"},
        {"title": "Two calls", "notes": "Long"},
        {"client_id": "client"},
        taken=None,
    ),
    "time_period": Example("/time-periods", _period, lambda made: {"end_date": _later(made["end_date"])}, taken=None),
    "time_sheet": Example(
        "/time-sheets", dict, {"status": "submitted"}, {"user_id": "user", "period_id": "time_period"}, taken=None
    ),
    "time_entry": Example(
        "/time-entries",
        lambda: {"work_item_type": "ticket", "start_time": "1999-03-01T13:00:00Z", "duration_minutes": 90},
        {"duration_minutes": 30, "is_billable": False, "notes": "Quicker"},
        {"user_id": "user", "work_item_id": "ticket", "service_id": "service"},
        taken=None,
    ),
    "tag": Example(
        "/tags",
        lambda: {"tag_text": f"tag-{uuid4().hex}", "text_color": "#ffffff"},
        {"tag_text": "another", "background_color": "#A0b1C2"},
        {"created_by": "user"},
        taken="tag_text",
    ),
    "external_entity_mapping": Example(
        "/external-entity-mappings",
        lambda: {"entity_type": "client", "external_id": f"C-{uuid4().hex}"},
        {"realm_id": "north", "metadata": {"source": "crm"}, "sync_status": "deleted"},
        {"webhook_id": "inbound_webhook", "entity_id": "client"},
        taken=None,
        time="last_synced_at",
    ),
}
#: What entities belong to and is none.
_OTHERS: Mapping[str, Example] = {
    "inbound_webhook": Example("/inbound-webhooks", lambda: webhook_body(f"w-{uuid4().hex}"), {}),
    "user": Example(
        "/users",
        lambda: {"email": f"{uuid4().hex}@acme.example", "username": uuid4().hex, "time_zone": "Europe/Berlin"},
        {},
    ),
}


def body_of(base: ManagementBase, kind: str, tenant: KnownTenant | None = None, **members: Any) -> Json:
    """A body that makes a new one; what it belongs to is made first, unless `members` name it.

    What it shares with something that it belongs to is one: a ticket and its status are on one board.
    """
    example = _example(kind)
    parents: Json = {}
    for member, parent in example.parents.items():
        if member not in members:
            shared = {name: made for name, made in parents.items() if name in _example(parent).parents}
            parents[member] = make_entity(base, parent, tenant, **shared)["id"]
    return {**example.body(), **parents, **members}


def make_entity(base: ManagementBase, kind: str, tenant: KnownTenant | None = None, **members: Any) -> Json:
    """A new one of the tenant (the first, unless another is given), as the API shows it."""
    headers = (tenant or base.tenant).headers
    body = body_of(base, kind, tenant, **members)
    answer = base.call("POST", _example(kind).path, headers=headers, json=body)
    assert answer.status_code == 201, f"{kind}: {answer.text}"
    made: Json = answer.json()
    return made


def _example(kind: str) -> Example:
    return _OTHERS[kind] if kind in _OTHERS else EXAMPLES[kind]
