"""One of every kind of entity that the API has, made through the API, with everything that it belongs to.

A kind without an example fails the tests that ask for all kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.support.management import KnownTenant, ManagementBase
from tests.support.webhooks import webhook_body

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """How a kind is made and changed. `parents`: members of its body that name another kind, by that kind's name.

    `body` gives the other members, with a new name each time. `patch` changes something. `taken`: a member whose value
    nobody else may have; None: there is none, or it is not alone in that. `time`: what lists are narrowed by.
    """

    path: str
    body: Callable[[], Json]
    patch: Json
    parents: Mapping[str, str] = field(default_factory=dict)
    taken: str | None = "name"
    time: str = "created_at"


def _named(**members: Any) -> Callable[[], Json]:
    return lambda: {"name": f"Some {uuid4().hex}", **members}


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
}


def body_of(base: ManagementBase, kind: str, tenant: KnownTenant | None = None, **members: Any) -> Json:
    """A body that makes a new one; what it belongs to is made first, unless `members` name it."""
    example = _example(kind)
    parents = {
        member: make_entity(base, parent, tenant)["id"]
        for member, parent in example.parents.items()
        if member not in members
    }
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
