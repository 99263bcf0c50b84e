"""The entities of one type that a set of commands touches: locked at once, decided upon one command after the other,
written at the end with as many statements for a hundred commands as for one.

Mappings are locked first, then entities, each in the order of their keys: so do all writers. A command sees what those
before it in the set decided. `add` and `change` come last in a decision: an ActionError before them leaves nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from infra.entities.documents import changes_between, document
from infra.entities.events import ENTITY_EVENTS, events_of_changes
from infra.queries import load_queries
from schemas.actions import ActionContext, ActionError, ActionResult, BulkHandler, Command, Handler
from schemas.encoding import record_bytes
from schemas.records import ErrorCode
from sinks.actions.errors import CommandRaceError
from sinks.actions.references import QUERIES as REFERENCES
from sinks.actions.references import FieldTypes, References, entity_without_realm, load_references

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
EXTERNAL_ID = "external_id"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EntityKind:
    """How rows of one entity type are read and written, many at once.

    `lock` gives every column of the rows of `ids`, in the order of their ids and FOR NO KEY UPDATE: who makes something
    that belongs to them need not wait. `insert` and `update` take `rows` (JSON) with the same columns. `hidden` columns
    are in no event.
    """

    entity_type: str
    lock: str
    insert: str
    update: str
    hidden: frozenset[str] = frozenset()

    def document(self, row: Mapping[str, Any]) -> Row:
        """The entity as domain events show it."""
        return document({name: value for name, value in row.items() if name not in self.hidden})


class Namespaces:
    """The webhooks whose external ids the commands of one tenant mean; looked up once, before the first new mapping."""

    def __init__(self, contexts: Sequence[ActionContext]) -> None:
        self._contexts = contexts
        self._known: frozenset[UUID] | None = None

    def require(self, context: ActionContext) -> None:
        """Raises ActionError LOOKUP_MISS when the namespace of a command is not there."""
        if self._known is None:
            wanted = list({each.namespace_id for each in self._contexts})
            rows = context.tx.rows(REFERENCES["webhook"], {"tenant_id": context.tenant_id, "ids": wanted})
            self._known = frozenset(row["id"] for row in rows)
        if context.namespace_id not in self._known:
            message = f"{EXTERNAL_ID}: webhook {context.namespace_id} does not exist, so it has no external ids"
            raise ActionError(ErrorCode.LOOKUP_MISS, message, EXTERNAL_ID)


class EntitySet:
    """Of commands of one tenant. `types`: the fields that name other entities; `references` has what they name.

    `by_field`: the field whose external id names an entity of the set's own kind.
    """

    def __init__(
        self, commands: Sequence[Command], kind: EntityKind, types: FieldTypes, *, by_field: str = EXTERNAL_ID
    ) -> None:
        self._context = commands[0][0]
        self._commands = commands
        self._by_field = by_field
        self.kind = kind
        self._mapped = self._lock_mappings()
        self._rows = self._lock_found()
        self.references: References = load_references(commands, types)
        self._added: dict[UUID, Row] = {}
        self._changed: dict[UUID, Row] = {}
        self._mappings: list[Row] = []
        self._namespaces = Namespaces([context for context, _ in commands])

    def find(self, context: ActionContext, values: Mapping[str, Any]) -> Row | None:
        """The entity of a command's external id, as it is by now; None when the id is not mapped or not given.

        Raises ActionError LOOKUP_MISS for a mapping of an entity that is not there any more.
        """
        external_id = values.get(self._by_field)
        if external_id is None:
            return None
        by_realm = self._mapped.get((context.namespace_id, external_id), {})
        entity_id = entity_without_realm(by_realm, external_id, self._by_field)
        if entity_id is None:
            return None
        if entity_id not in self._rows:
            message = f"{self._by_field}: {self.kind.entity_type} {entity_id} does not exist any more"
            raise ActionError(ErrorCode.LOOKUP_MISS, message, self._by_field)
        return self._rows[entity_id]

    def require(self, context: ActionContext, values: Mapping[str, Any]) -> Row:
        """As `find`. Raises ActionError LOOKUP_MISS when there is none."""
        row = self.find(context, values)
        if row is None:
            raise miss(self._by_field, self.kind.entity_type, values[self._by_field])
        return row

    @property
    def rows(self) -> Mapping[UUID, Row]:
        """Every entity that is locked or added, by id, as it is by now."""
        return self._rows

    def require_namespace(self, context: ActionContext) -> None:
        """Raises ActionError LOOKUP_MISS when the webhook whose external ids are meant is not there."""
        self._namespaces.require(context)

    def add(self, context: ActionContext, row: Row, external_id: str | None) -> Row:
        """A new entity, mapped to its external id if it has one; tells of it. Returns the row with its times.

        Raises ActionError LOOKUP_MISS when the namespace is not there.
        """
        entity_id: UUID = row["id"]
        if external_id is not None:
            self.require_namespace(context)
            self._map(context, external_id, entity_id)
        row = row | {"created_at": context.now, "updated_at": context.now}
        self._rows[entity_id] = self._added[entity_id] = row
        created = ENTITY_EVENTS[self.kind.entity_type].created
        if created is not None:
            context.emit(created, self.kind.entity_type, entity_id, data=self.kind.document(row))
        return row

    def change(self, context: ActionContext, after: Row, told_besides: Mapping[str, Any] | None = None) -> Row:
        """Another state of an entity that is there; tells of what differs, `{column: {previous, new}}`, and returns it.

        `told_besides`: changes of what belongs to the entity and is not a column of it.
        """
        entity_id: UUID = after["id"]
        changes = changes_between(self._rows[entity_id], after)
        if changes:
            after = after | {"updated_at": context.now}
            self._rows[entity_id] = after
            (self._added if entity_id in self._added else self._changed)[entity_id] = after
        changes |= told_besides or {}
        told = events_of_changes(self.kind.entity_type, changes, after)
        data = self.kind.document(after) if told else {}
        for event_type, of_event in told:
            context.emit(event_type, self.kind.entity_type, entity_id, data=data, changes=of_event)
        return changes

    def write(self) -> None:
        """Write everything. Raises CommandRaceError when an external id was mapped by somebody else meanwhile."""
        if self._added:
            self._execute(self.kind.insert, list(self._added.values()))
        if self._mappings and self._execute(_QUERIES["insert_mappings"], self._mappings) != len(self._mappings):
            raise CommandRaceError("an external id was mapped by another command meanwhile")
        if self._changed:
            self._execute(self.kind.update, [self._changed[entity_id] for entity_id in sorted(self._changed)])

    def _lock_found(self) -> dict[UUID, Row]:
        return self._lock_rows(self._mapped_ids())

    def _mapped_ids(self) -> set[UUID]:
        return {entity_id for by_realm in self._mapped.values() for entity_id in by_realm.values()}

    def _execute(self, statement: str, rows: Sequence[Row]) -> int:
        parameters = {
            "tenant_id": self._context.tenant_id,
            "entity_type": self.kind.entity_type,
            "now": self._context.now,
            "rows": record_bytes(rows).decode(),
        }
        return self._context.tx.execute(statement, parameters)

    def _lock_mappings(self) -> Mapping[tuple[UUID, str], dict[str, UUID]]:
        wanted = {
            (context.namespace_id, values[self._by_field])
            for context, values in self._commands
            if values.get(self._by_field) is not None
        }
        mapped: dict[tuple[UUID, str], dict[str, UUID]] = defaultdict(dict)
        if wanted:
            rows = [{"webhook_id": webhook_id, "external_id": external_id} for webhook_id, external_id in wanted]
            parameters = {
                "tenant_id": self._context.tenant_id,
                "entity_type": self.kind.entity_type,
                "wanted": record_bytes(rows).decode(),
            }
            for row in self._context.tx.rows(_QUERIES["lock_many_mappings"], parameters):
                mapped[row["webhook_id"], row["external_id"]][row["realm_id"]] = row["entity_id"]
        return mapped

    def _lock_rows(self, entity_ids: set[UUID]) -> dict[UUID, Row]:
        if not entity_ids:
            return {}
        parameters = {"tenant_id": self._context.tenant_id, "ids": list(entity_ids)}
        return {row["id"]: row for row in self._context.tx.rows(self.kind.lock, parameters)}

    def _map(self, context: ActionContext, external_id: str, entity_id: UUID) -> None:
        self._mapped[context.namespace_id, external_id][""] = entity_id
        self._mappings.append(
            {
                "mapping_id": context.new_id(),
                "webhook_id": context.namespace_id,
                "external_id": external_id,
                "entity_id": entity_id,
                "delivery_id": context.delivery_id,
            }
        )


Decided = TypeVar("Decided")
Decide = Callable[[ActionContext, Mapping[str, Any]], Decided]


def decide_each(commands: Sequence[Command], decide: Decide[Decided]) -> list[Decided | ActionError]:
    """One answer for each command, in their order."""
    answers: list[Decided | ActionError] = []
    for context, values in commands:
        try:
            answers.append(decide(context, values))
        except ActionError as error:
            answers.append(error)
    return answers


def alone(run: BulkHandler) -> Handler:
    """`run` for one command."""

    def handle(context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
        [answer] = run([(context, values)])
        if isinstance(answer, ActionError):
            raise answer
        return answer

    return handle


def miss(field: str, entity_type: str, external_id: str) -> ActionError:
    """The refusal of an external id that is not mapped."""
    named = entity_type.replace("_", " ")
    return ActionError(ErrorCode.LOOKUP_MISS, f"{field}: no {named} is mapped to external id {external_id!r}", field)


def created(kind: EntityKind, row: Row, values: Mapping[str, Any], name: str, **metadata: Any) -> ActionResult:
    """The result of a new entity; `name` is what people call it."""
    return ActionResult(
        entity_type=kind.entity_type,
        entity_id=row["id"],
        external_id=values.get(EXTERNAL_ID),
        created=True,
        message=f"{kind.entity_type.replace('_', ' ')} {name} created",
        metadata=metadata,
    )


def updated(
    kind: EntityKind, row: Row, values: Mapping[str, Any], name: str, changes: Mapping[str, Any], **metadata: Any
) -> ActionResult:
    """The result of an entity that was there; `changes` as `EntitySet.change` gave them."""
    silent = ENTITY_EVENTS[kind.entity_type].silent
    return ActionResult(
        entity_type=kind.entity_type,
        entity_id=row["id"],
        external_id=values.get(EXTERNAL_ID),
        changed=bool(changes),
        message=f"{kind.entity_type.replace('_', ' ')} {name} {'updated' if changes else 'has these values already'}",
        metadata=metadata | {"updated_fields": sorted(changes.keys() - silent)},
    )
