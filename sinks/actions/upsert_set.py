"""Sets of upserts, whose entities have a text that only one of a tenant may have: a client's name, a contact's e-mail.

Who has a text is read before mappings are locked: whoever made that entity meanwhile has mapped it as well by then, so
an entity that the command's own external id means is never taken for somebody else's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from uuid import UUID

from schemas.actions import ON_DUPLICATE, ActionContext, ActionError, ActionResult, Command
from schemas.records import ErrorCode
from sinks.actions.context import QUERIES
from sinks.actions.entity_set import EXTERNAL_ID, EntityKind, EntitySet, Row, created, updated
from sinks.actions.errors import CommandRaceError
from sinks.actions.references import FieldTypes


@dataclass(frozen=True, slots=True)
class UniqueText:
    """Which text it is: `field` of the action, `column` of the row; any case of its letters is the same.

    `find` gives for each of `texts` its `wanted` (the text), its `key` (in lower case, as the database has it), and
    `id` and `held` of the entity that has it, active or not; null where nobody does.
    """

    field: str
    column: str
    find: str


class Holders:
    """Who has the texts that `commands` of one tenant name; follows what the set decides."""

    def __init__(self, commands: Sequence[Command], unique: UniqueText) -> None:
        self._keys: dict[str, str] = {}
        self._holders: dict[str, UUID] = {}
        self._key_of: dict[UUID, str] = {}
        self._found: dict[UUID, str] = {}
        context = commands[0][0]
        texts = {values[unique.field] for _, values in commands if values.get(unique.field) is not None}
        parameters: dict[str, Any] = {"tenant_id": context.tenant_id, "texts": sorted(texts)}
        for row in context.tx.rows(unique.find, parameters) if texts else ():
            self._keys[row["wanted"]] = row["key"]
            if row["id"] is not None:
                self._hold(row["id"], row["key"])
                self._found[row["id"]] = row["held"]

    def of(self, text: str | None) -> UUID | None:
        """The entity that has `text`, one that a command names; None when nobody has it."""
        return None if text is None else self._holders.get(self._keys[text])

    def found_with(self, entity_id: UUID) -> str | None:
        """The text that an entity was found by, as it had it then."""
        return self._found.get(entity_id)

    def give(self, entity_id: UUID, text: str | None) -> None:
        """Note that an entity has `text` from now on, and no longer what it had."""
        before = self._key_of.pop(entity_id, None)
        if before is not None:
            del self._holders[before]
        if text is not None:
            self._hold(entity_id, self._keys[text])

    def _hold(self, entity_id: UUID, key: str) -> None:
        self._holders[key] = entity_id
        self._key_of[entity_id] = key


class Meant(NamedTuple):
    """What an upsert means: a new entity (None), or one that is there. `is_adopted`: it gets the external id now."""

    row: Row | None
    is_adopted: bool = False


class UpsertSet(EntitySet):
    """An `EntitySet` that knows who has the unique text of its commands, and links external ids to who has it.

    Raises CommandRaceError when an entity that is to be linked was changed between its look-up and its lock.
    """

    def __init__(self, commands: Sequence[Command], kind: EntityKind, types: FieldTypes, unique: UniqueText) -> None:
        self._unique = unique
        self._holders = Holders(commands, unique)
        self._external_ids: dict[tuple[UUID, UUID], str] = {}
        super().__init__(commands, kind, types)
        for (webhook_id, external_id), by_realm in self._mapped.items():
            self._external_ids |= {(webhook_id, entity_id): external_id for entity_id in by_realm.values()}

    def meant(self, context: ActionContext, values: Mapping[str, Any]) -> Meant:
        """The entity of a command's external id; with the option to link it also the one that has the command's text.

        Raises ActionError CONFLICT when another entity has the text, or the one that has it has an external id already.
        """
        row, text = self.find(context, values), values.get(self._unique.field)
        holder = self._holders.of(text)
        if holder is None or (row is not None and row["id"] == holder):
            return Meant(row)
        if row is None and _links(context):
            self._require_without_id(context, holder, values[EXTERNAL_ID])
            return Meant(self._rows[holder], is_adopted=True)
        message = f"{self._unique.field} {text!r} is that of {self.kind.entity_type} {holder} already"
        raise ActionError(ErrorCode.CONFLICT, message, self._unique.field)

    def put(self, context: ActionContext, values: Mapping[str, Any], meant: Meant, after: Row) -> ActionResult:
        """`after` as the state of what was meant, mapped to the command's external id. Raises ActionError as `add`."""
        name = after[self._unique.column]
        if meant.row is None:
            return created(self.kind, self.add(context, after, values[EXTERNAL_ID]), values, name)
        if meant.is_adopted:
            self.require_namespace(context)
            self._map(context, values[EXTERNAL_ID], after["id"])
        result = updated(self.kind, after, values, name, self.change(context, after))
        if not meant.is_adopted:
            return result
        message = f"{self.kind.entity_type} {name} is mapped to external id {values[EXTERNAL_ID]!r} from now on"
        return replace(result, changed=True, message=message)

    def add(self, context: ActionContext, row: Row, external_id: str | None) -> Row:
        """As of every set; the entity has its text from now on."""
        added = super().add(context, row, external_id)
        self._holders.give(row["id"], row[self._unique.column])
        return added

    def change(self, context: ActionContext, after: Row, told_besides: Mapping[str, Any] | None = None) -> Row:
        """As of every set; another text is the entity's from now on."""
        changes = super().change(context, after, told_besides)
        if self._unique.column in changes:
            self._holders.give(after["id"], after[self._unique.column])
        return changes

    def _require_without_id(self, context: ActionContext, entity_id: UUID, external_id: str) -> None:
        other = self._external_ids.get((context.namespace_id, entity_id))
        if other == external_id:
            raise CommandRaceError(f"{self.kind.entity_type} {external_id!r} was mapped meanwhile")
        if other is not None:
            message = f"{EXTERNAL_ID}: {self.kind.entity_type} {entity_id} is mapped to external id {other!r} already"
            raise ActionError(ErrorCode.CONFLICT, message, EXTERNAL_ID)

    def _lock_found(self) -> dict[UUID, Row]:
        """Mapped entities, and those that may get an external id; reads which ones these have."""
        unmapped = [command for command in self._commands if _links(command[0]) and not self._is_mapped(*command)]
        texts = [values.get(self._unique.field) for _, values in unmapped]
        found = {holder for text in texts if (holder := self._holders.of(text)) is not None}
        if found:
            parameters = {
                "tenant_id": self._context.tenant_id,
                "entity_type": self.kind.entity_type,
                "webhook_ids": list({context.namespace_id for context, _ in unmapped}),
                "entity_ids": list(found),
            }
            for row in self._context.tx.rows(QUERIES["find_mappings_of_entities"], parameters):
                self._external_ids[row["webhook_id"], row["entity_id"]] = row["external_id"]
        rows = self._lock_rows(self._mapped_ids() | found)
        for entity_id in found:
            if entity_id not in rows or rows[entity_id][self._unique.column] != self._holders.found_with(entity_id):
                raise CommandRaceError(f"{self.kind.entity_type} {entity_id} was changed meanwhile")
        return rows

    def _is_mapped(self, context: ActionContext, values: Mapping[str, Any]) -> bool:
        return (context.namespace_id, values[EXTERNAL_ID]) in self._mapped

    def _map(self, context: ActionContext, external_id: str, entity_id: UUID) -> None:
        super()._map(context, external_id, entity_id)
        self._external_ids[context.namespace_id, entity_id] = external_id


def _links(context: ActionContext) -> bool:
    return context.options.get(ON_DUPLICATE.name, ON_DUPLICATE.default) == "link"
