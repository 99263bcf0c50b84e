"""What createTicket commands refer to, with the defaults of their tenant and the namespaces they may use."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from infra.queries import load_queries
from schemas.actions import Command
from sinks.actions.references import QUERIES, Entity, FieldTypes, References, load_references
from sinks.actions.tickets.fields import EXTERNAL_REF_TYPES, REF_TYPES

_DEFAULTS = load_queries(Path(__file__).parent / "queries.sql")["defaults"]
_TYPES = FieldTypes(REF_TYPES, {"external_id": "ticket"} | EXTERNAL_REF_TYPES)


@dataclass(frozen=True, slots=True)
class TicketReferences(References):
    """`References`, and what a ticket gets where its command names nothing."""

    webhooks: frozenset[UUID]
    default_board: Entity | None
    default_statuses: Mapping[UUID, Entity]
    default_priority: Entity | None


def load_ticket_references(commands: Sequence[Command]) -> TicketReferences:
    """Read what `commands` (of one tenant) refer to."""
    context = commands[0][0]
    tenant = {"tenant_id": context.tenant_id}
    plain = load_references(commands, _TYPES)
    namespaces = list({context.namespace_id for context, values in commands if values.get("external_id")})
    webhooks = context.tx.rows(QUERIES["webhook"], tenant | {"ids": namespaces}) if namespaces else []
    by_kind: dict[str, list[Entity]] = defaultdict(list)
    for row in context.tx.rows(_DEFAULTS, tenant):
        by_kind[row["kind"]].append(Entity(row["id"], row["parent_id"], row["is_closed"], row["default_priority_id"]))
    return TicketReferences(
        types=plain.types,
        entities=plain.entities,
        mappings=plain.mappings,
        webhooks=frozenset(row["id"] for row in webhooks),
        default_board=next(iter(by_kind["board"]), None),
        default_statuses={s.parent_id: s for s in by_kind["ticket_status"] if s.parent_id is not None},
        default_priority=next(iter(by_kind["ticket_priority"]), None),
    )
