"""Entities of one kind in Postgres, with what a change of them leaves: an audit entry, and the domain events it tells.

Every kind has a `queries.sql` with the statements `count`, `page`, `read`, `lock`, `insert`, `update` and `delete`, but
for those of operations it has not got.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.errors import CheckViolation, ExclusionViolation, ForeignKeyViolation, UniqueViolation
from psycopg.types.json import Jsonb

from infra.clock import now_us
from infra.entities.documents import Row, changes_between, document
from infra.entities.events import ENTITY_EVENTS, Told, events_of_changes
from infra.ids import uuid7_text
from infra.merge_patch import merge_patch
from infra.postgres import Connection, Pool, tenant_transaction
from infra.queries import load_whole_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.entities.mapping import lock_mappings, write_mapping
from management.entities.schemas import OBJECT_BYTES_MAX, EntityFilter
from management.entities.telling import write_told
from management.errors import ConflictError, NotFoundError, Problem, ValidationFailedError
from management.paging import page_parameters, read_page
from schemas.encoding import record_bytes

_MAPPING_MEMBERS = ("external_id", "webhook_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityTable:
    """One kind of entity.

    `resource` is its name in permissions and audit entries. `columns` are those that `read` gives and that are audited,
    beside id and times; objects among `json_columns` merge on a change (RFC 7396). `taken`, by the name of a unique or
    exclusion constraint: what clashes. `unknown`, by that of a foreign key or check: what is not there or does not fit.
    `held`, by that of a foreign key of others: what cannot change while they refer to it. `in_use` says why a row that
    others refer to stays. `told_as`: the entity type of its domain events; None: changes are told to nobody.
    `mapped_as`: the entity type of its external ids, where a new one may bring one.
    """

    resource: str
    folder: Path
    columns: tuple[str, ...]
    taken: Mapping[str, Problem]
    unknown: Mapping[str, Problem]
    in_use: str
    told_as: str | None = None
    mapped_as: str | None = None
    json_columns: tuple[str, ...] = ()
    held: Mapping[str, Problem] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Its name in sentences."""
        return self.resource.replace("_", " ")


class EntityRepository:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool, table: EntityTable) -> None:
        self._pool = pool
        self.table = table
        self.queries = load_whole_queries(table.folder / "queries.sql")

    def page(self, tenant_id: UUID, wanted: EntityFilter) -> tuple[list[Row], int]:
        """The rows of a page, newest first, and how many there are in all."""
        parameters = {"tenant_id": tenant_id, **wanted.parameters(), **page_parameters(wanted)}
        with tenant_transaction(self._pool, tenant_id) as connection:
            return read_page(connection, self.queries, parameters, count="count", rows="page")

    def get(self, tenant_id: UUID, entity_id: UUID) -> Row:
        """One row. Raises NotFoundError."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return self.read(connection, tenant_id, entity_id)

    def create(self, actor: Actor, values: Mapping[str, Any]) -> Row:
        """Insert a row with its mapping, audit entry and event. Raises ValidationFailedError, ConflictError."""
        entity_id, at = UUID(uuid7_text(now_us())), datetime.now(UTC)
        with self.changing(actor) as connection:
            row = self.completed(
                connection, actor, None, {"id": entity_id, "now": at, "given": values.keys(), **values}
            )
            self.write(connection, "insert", actor, row)
            self._map(connection, actor, entity_id, values)
            after = self.read(connection, actor.tenant_id, entity_id)
            write_audit_entry(
                connection, actor, f"{self.table.resource}.created", entity_id, after=self._audited(after)
            )
            created = None if self.table.told_as is None else ENTITY_EVENTS[self.table.told_as].created
            self.tell(connection, actor, after, [] if created is None else [Told(created, {})], at)
            return after

    def update(self, actor: Actor, entity_id: UUID, changes: Mapping[str, Any]) -> Row:
        """Change a row with its audit entry and events; nothing where nothing differs.

        Raises NotFoundError, ValidationFailedError, ConflictError.
        """
        at = datetime.now(UTC)
        with self.changing(actor) as connection:
            before = self.lock(connection, actor, entity_id)
            row = {**before, "now": at, "given": changes.keys(), **self._merged(before, changes)}
            row = self.completed(connection, actor, before, row)
            if not changes_between({name: before[name] for name in self.table.columns}, row):
                return before
            self.write(connection, "update", actor, row)
            after = self.read(connection, actor.tenant_id, entity_id)
            entry = {"before": self._audited(before), "after": self._audited(after)}
            write_audit_entry(connection, actor, f"{self.table.resource}.updated", entity_id, **entry)
            self.tell(connection, actor, after, self._told(before, after), at)
            return after

    def delete(self, actor: Actor, entity_id: UUID) -> None:
        """Delete a row that nothing refers to, with its audit entry. Raises NotFoundError, ConflictError."""
        with self.changing(actor) as connection:
            if self.table.mapped_as is not None:
                lock_mappings(connection, actor.tenant_id, self.table.mapped_as, entity_id)
            before = self.lock(connection, actor, entity_id)
            self.check_deletion(connection, actor, before)
            parameters = {"tenant_id": actor.tenant_id, "id": entity_id}
            try:
                self.execute(connection, "delete", parameters)
            except ForeignKeyViolation as error:
                raise ConflictError(self.table.in_use) from error
            write_audit_entry(
                connection, actor, f"{self.table.resource}.deleted", entity_id, before=self._audited(before)
            )

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """`row` with what follows from it; kinds with rules of their own override this. `before` None: a new row.

        Raises ValidationFailedError, ConflictError. `now` is the time of the change, `given` has the members that the
        caller wrote; of a new row, all that it could.
        """
        del connection, actor, before
        return row

    def check_deletion(self, connection: Connection, actor: Actor, before: Row) -> None:
        """Raises ConflictError where a row must stay that no foreign key holds."""

    def write(self, connection: Connection, name: str, actor: Actor, row: Row) -> None:
        """Run `insert` or `update`; kinds of more than one table add theirs."""
        as_json = {column: Jsonb(row[column]) for column in self.table.json_columns}
        self.execute(connection, name, {**row, **as_json, "tenant_id": actor.tenant_id})

    def read(self, connection: Connection, tenant_id: UUID, entity_id: UUID) -> Row:
        """One row. Raises NotFoundError."""
        row: Row | None = self.execute(connection, "read", {"tenant_id": tenant_id, "id": entity_id}).fetchone()
        if row is None:
            raise NotFoundError(f"no {self.table.words} {entity_id}")
        return row

    def lock(self, connection: Connection, actor: Actor, entity_id: UUID) -> Row:
        """As `read`, and nobody else changes it until the transaction ends."""
        self.execute(connection, "lock", {"tenant_id": actor.tenant_id, "id": entity_id})
        return self.read(connection, actor.tenant_id, entity_id)

    def tell(self, connection: Connection, actor: Actor, after: Row, told: list[Told], at: datetime) -> None:
        """Put events of a row into the outbox."""
        if not told:
            return
        data = self.told_document(after)
        entity_type = told[0].event_type.partition(".")[0]
        listed = [(event_type, data, changes) for event_type, changes in told]
        write_told(connection, actor, entity_type, after["id"], listed, at)

    def told_document(self, row: Row) -> Row:
        """The row as events show it; kinds with more than columns extend this."""
        return document({name: row[name] for name in ("id", *self.table.columns, "created_at", "updated_at")})

    @contextmanager
    def changing(self, actor: Actor) -> Iterator[Connection]:
        """A transaction whose clashes are said in the words of the table."""
        try:
            with tenant_transaction(self._pool, actor.tenant_id) as connection:
                yield connection
        except (UniqueViolation, ExclusionViolation) as error:
            problem = self.table.taken[error.diag.constraint_name or ""]
            raise ConflictError(problem.message, details=[problem]) from error
        except (ForeignKeyViolation, CheckViolation) as error:
            name = error.diag.constraint_name or ""
            if name in self.table.held:
                problem = self.table.held[name]
                raise ConflictError(problem.message, details=[problem]) from error
            raise ValidationFailedError([self.table.unknown[name]]) from error

    def execute(self, connection: Connection, name: str, parameters: Mapping[str, Any]) -> Any:
        """Run one of the kind's statements."""
        return connection.execute(self.queries[name].encode(), parameters)

    def _merged(self, before: Row, changes: Mapping[str, Any]) -> Row:
        merged = dict(changes)
        for column in self.table.json_columns:
            if column in changes:
                merged[column] = {} if changes[column] is None else merge_patch(before[column], changes[column])
        problems = [
            Problem(column, f"it would be larger than {OBJECT_BYTES_MAX:,} bytes after the merge")
            for column in self.table.json_columns
            if len(record_bytes(merged.get(column))) > OBJECT_BYTES_MAX
        ]
        if problems:
            raise ValidationFailedError(problems)
        return merged

    def _map(self, connection: Connection, actor: Actor, entity_id: UUID, values: Mapping[str, Any]) -> None:
        external_id, webhook_id = (values.get(name) for name in _MAPPING_MEMBERS)
        if self.table.mapped_as is None or (external_id is None and webhook_id is None):
            return
        if external_id is None or webhook_id is None:
            missing = "webhook_id" if webhook_id is None else "external_id"
            raise ValidationFailedError([Problem(missing, "external_id and webhook_id come together")])
        write_mapping(
            connection, actor.tenant_id, webhook_id, self.table.mapped_as, external_id=external_id, entity_id=entity_id
        )

    def _told(self, before: Row, after: Row) -> list[Told]:
        if self.table.told_as is None:
            return []
        columns = (*self.table.columns, "updated_at")
        changes = changes_between({name: before[name] for name in columns}, after)
        return events_of_changes(self.table.told_as, changes, after)

    def _audited(self, row: Row) -> Row:
        return document({name: _text_of_ids(row[name]) for name in self.table.columns})


def _text_of_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_text_of_ids(one) for one in value]
    return str(value) if isinstance(value, UUID) else value
