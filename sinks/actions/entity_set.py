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

    def lock(self, entity_id: UUID) -> Row | None:
        """An entity found otherwise than by its mapping; None when it is not there any more."""
        if entity_id not in self._rows:
            self._rows |= self._lock_rows({entity_id})
        return self._rows.get(entity_id)

    def require_namespace(self, context: ActionContext) -> None:
        """Raises ActionError LOOKUP_MISS when the webhook whose external ids are meant is not there."""
        self._namespaces.require(context)
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
