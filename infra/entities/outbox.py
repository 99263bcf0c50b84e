"""Domain events on their way into the outbox, in the transaction of the change they tell of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.clock import rfc3339_of
from infra.postgres import Connection
from infra.queries import load_queries
from schemas.encoding import record_bytes

_QUERIES = load_queries(Path(__file__).parent / "outbox.sql")
_time_text = lru_cache(maxsize=16)(rfc3339_of)  # one time per batch, written for each of its events

OutboxRow = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    """Who made a change and what led to it. `causation_id`: the delivery, or the request of the API.

    `hops`: how many of our own actions led to it, this one included. `replayed_from`: what the delivery is a replay of.
    """

    actor: Mapping[str, Any]
    causation_id: str
    hops: int
    replayed_from: str | None = None


def outbox_row(
    event_type: str,
    *,
    event_id: UUID,
    occurred_at: datetime,
    tenant_id: UUID,
    entity_type: str,
    entity_id: UUID,
    cause: Cause,
    data: Mapping[str, Any],
    changes: Mapping[str, Any],
) -> OutboxRow:
    """A domain event (`schemas.records.DomainEvent`) with the columns it is kept by. `data`: the entity after it."""
    payload = {
        "event_id": event_id,
        "type": event_type,
        "occurred_at": _time_text(occurred_at),
        "tenant_id": tenant_id,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "actor": cause.actor,
        "causation_id": cause.causation_id,
        "replayed_from": cause.replayed_from,
        "hops": cause.hops,
        "data": data,
        "changes": changes,
    }
    row = {"event_id": event_id, "event_type": event_type, "entity_type": entity_type, "entity_id": entity_id}
    return row | {"payload": payload}


def write_events(connection: Connection, tenant_id: UUID, occurred_at: datetime, rows: Iterable[OutboxRow]) -> None:
    """Put events of one tenant into the outbox, in their order."""
    listed = list(rows)
    if listed:
        parameters = {"tenant_id": tenant_id, "occurred_at": occurred_at, "rows": record_bytes(listed).decode()}
        connection.execute(_QUERIES["insert_events"].encode(), parameters)
