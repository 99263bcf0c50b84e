"""What a handler is given: the command's ids and time, its open transaction, its mappings, events and new ids."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from infra.entities.outbox import Cause, OutboxRow, outbox_row
from infra.postgres import Connection
from infra.queries import load_queries
from schemas.actions import ActionError, Transaction
from schemas.records import ErrorCode
from sinks.actions.command import PendingCommand
from sinks.actions.errors import CommandRaceError
from sinks.actions.references import QUERIES as REFERENCES
from sinks.actions.references import entity_without_realm

QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_MILLISECOND = 1_000


class PostgresTransaction:
    """The open transaction of psycopg behind `schemas.actions.Transaction`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run a query and return its rows by column name."""
        return self._connection.execute(sql.encode(), parameters).fetchall()

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> int:
        """Run a statement and return how many rows it touched."""
        return self._connection.execute(sql.encode(), parameters).rowcount


@dataclass(slots=True)
class CommandContext:
    """`schemas.actions.ActionContext` over one command. `events` are written when the handler has returned."""

    command: PendingCommand
    tx: Transaction
    now_us: int
    now: datetime
    events: list[OutboxRow] = field(default_factory=list)
    _ids_given: int = 0

    @property
    def tenant_id(self) -> UUID:
        return self.command.tenant_id

    @property
    def webhook_id(self) -> UUID:
        return self.command.webhook_id

    @property
    def namespace_id(self) -> UUID:
        return self.command.namespace_id

    @property
    def delivery_id(self) -> UUID:
        return self.command.delivery_id

    @property
    def command_id(self) -> UUID:
        return self.command.command_id

    @property
    def received_at(self) -> datetime:
        return self.command.received_at

    @property
    def hops(self) -> int:
        return self.command.request.hops

    @property
    def trace_id(self) -> str | None:
        return self.command.trace_id

    @property
    def options(self) -> Mapping[str, str]:
        return self.command.options

    def find(self, entity_type: str, external_id: str) -> UUID | None:
        """The entity that `external_id` is mapped to in the namespace, in realm '' or else in its only one.

        Its mapping rows are locked. Raises ActionError VALIDATION_ERROR when it is mapped in several realms.
        """
        return entity_without_realm(self._lock_mappings(entity_type, external_id), external_id, "external_id")

    def link(self, entity_type: str, external_id: str, entity_id: UUID, *, realm: str = "") -> None:
        """Map `external_id` to the entity in `realm`.

        Raises ActionError CONFLICT when the id or the entity is mapped already, LOOKUP_MISS without the namespace.
        """
        mapped = self._lock_mappings(entity_type, external_id).get(realm)
        if mapped is not None:
            message = f"{entity_type} {mapped} is mapped to external id {external_id!r} already"
            raise ActionError(ErrorCode.CONFLICT, message, "external_id")
        parameters = self._mapping_parameters(entity_type) | {"entity_id": entity_id}
        other = self.tx.rows(QUERIES["find_mapping_of_entity"], parameters)
        if other:
            message = f"{entity_type} {entity_id} is mapped to external id {other[0]['external_id']!r} already"
            raise ActionError(ErrorCode.CONFLICT, message, "external_id")
        if not self.tx.rows(REFERENCES["webhook"], {"tenant_id": self.tenant_id, "ids": [self.namespace_id]}):
            message = f"external_id: webhook {self.namespace_id} does not exist, so it has no external ids"
            raise ActionError(ErrorCode.LOOKUP_MISS, message, "external_id")
        parameters |= {"external_id": external_id, "mapping_id": self.new_id(), "now": self.now, "realm_id": realm}
        if self.tx.execute(QUERIES["insert_mapping"], parameters | {"delivery_id": self.delivery_id}) == 0:
            raise CommandRaceError(f"{entity_type} {external_id!r} was mapped meanwhile")

    def emit(
        self,
        event_type: str,
        entity_type: str,
        entity_id: UUID,
        *,
        data: Mapping[str, Any],
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a domain event; its id is the same again when the command runs again."""
        request = self.command.request
        self.events.append(
            outbox_row(
                event_type,
                event_id=uuid5(self.command_id, str(len(self.events))),
                occurred_at=self.now,
                tenant_id=self.tenant_id,
                entity_type=entity_type,
                entity_id=entity_id,
                cause=Cause(
                    {"type": "webhook", "id": request.webhook_id, "name": request.webhook_slug},
                    request.delivery_id,
                    request.hops + 1,
                    request.replayed_from,
                ),
                data=data,
                changes=changes or {},
            )
        )

    def new_id(self) -> UUID:
        """A UUIDv7 of the command's time whose other bits come from the command and a count."""
        seed = blake2b(self.command_id.bytes + self._ids_given.to_bytes(4, "big"), digest_size=10).digest()
        self._ids_given += 1
        random = int.from_bytes(seed, "big")
        time_bits = (self.now_us // _MILLISECOND & 0xFFFFFFFFFFFF) << 80
        return UUID(int=time_bits | 0x7 << 76 | (random >> 62 & 0xFFF) << 64 | 0b10 << 62 | random & 0x3FFFFFFFFFFFFFFF)

    def _lock_mappings(self, entity_type: str, external_id: str) -> dict[str, UUID]:
        parameters = self._mapping_parameters(entity_type) | {"external_id": external_id}
        return {row["realm_id"]: row["entity_id"] for row in self.tx.rows(QUERIES["lock_mappings"], parameters)}

    def _mapping_parameters(self, entity_type: str) -> dict[str, Any]:
        return {"tenant_id": self.tenant_id, "webhook_id": self.namespace_id, "entity_type": entity_type}
