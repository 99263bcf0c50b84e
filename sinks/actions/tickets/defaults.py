"""What a new ticket gets where its command names nothing."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from schemas.actions import ActionContext
from sinks.actions.references import Entity
from sinks.actions.tickets.kind import QUERIES


@dataclass(frozen=True, slots=True)
class Defaults:
    """The defaults of a tenant; `statuses` by their board."""

    board: Entity | None
    statuses: Mapping[UUID, Entity]
    priority: Entity | None


def load_defaults(context: ActionContext) -> Defaults:
    """Read the defaults of the context's tenant."""
    by_kind: dict[str, list[Entity]] = defaultdict(list)
    for row in context.tx.rows(QUERIES["defaults"], {"tenant_id": context.tenant_id}):
        by_kind[row["kind"]].append(Entity(row["id"], row["parent_id"], row["is_closed"], row["default_priority_id"]))
    return Defaults(
        board=next(iter(by_kind["board"]), None),
        statuses={s.parent_id: s for s in by_kind["ticket_status"] if s.parent_id is not None},
        priority=next(iter(by_kind["ticket_priority"]), None),
    )
