"""Domain events of what callers of the API change."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from infra.clock import now_us
from infra.entities.outbox import Cause, outbox_row, write_events
from infra.ids import uuid7_text
from infra.postgres import Connection
from management.access import Actor

_HOPS_OF_CALLERS = 1
#: The type of an event, the entity as it shows it, and the changes it tells.
Listed = tuple[str, Mapping[str, Any], Mapping[str, Any]]


def write_told(
    connection: Connection, actor: Actor, entity_type: str, entity_id: UUID, listed: Iterable[Listed], at: datetime
) -> None:
    """Put events of one entity into the outbox, in their order, in the transaction of the change."""
    cause = Cause(actor.as_json(), actor.request_id, _HOPS_OF_CALLERS)
    rows = [
        outbox_row(
            event_type,
            event_id=UUID(uuid7_text(now_us())),
            occurred_at=at,
            tenant_id=actor.tenant_id,
            entity_type=entity_type,
            entity_id=entity_id,
            cause=cause,
            data=data,
            changes=changes,
        )
        for event_type, data, changes in listed
    ]
    write_events(connection, actor.tenant_id, at, rows)
