"""What a time entry was worked on: a ticket, a task, a category or an interaction, named in the ways its type has."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.entities.references import is_id, reference_key
from infra.queries import load_queries
from schemas.actions import ActionContext, Command
from sinks.actions.choice import invalid
from sinks.actions.entity_set import miss
from sinks.actions.references import FieldTypes, References, load_references

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_BY_ID, _BY_EXTERNAL_ID = "work_item_id", "work_item_external_id"
_MAPPED = FieldTypes({}, {"ticket": "ticket", "project_task": "project_task"})
_TICKET_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)

#: The column of each type; work that was not planned has none.
COLUMNS: Mapping[str, str] = {
    "ticket": "ticket_id",
    "project_task": "project_task_id",
    "non_billable_category": "non_billable_category_id",
    "interaction": "interaction_id",
}
_NAMES = {"ticket": "id or number", "non_billable_category": "id or name"}


@dataclass(frozen=True, slots=True)
class WorkItems:
    """Every work item that the commands of one tenant name and that is there, by type and text."""

    named: Mapping[str, Mapping[str, UUID]]
    mapped: References

    def columns(self, context: ActionContext, values: Mapping[str, Any]) -> dict[str, UUID | None]:
        """The work item of a command, in the column of its type. Raises ActionError."""
        kind = values["work_item_type"]
        _require_fitting(kind, values)
        columns: dict[str, UUID | None] = dict.fromkeys(COLUMNS.values())
        if kind in COLUMNS:
            columns[COLUMNS[kind]] = self._item_id(context, kind, values)
        return columns

    def _item_id(self, context: ActionContext, kind: str, values: Mapping[str, Any]) -> UUID:
        by_id = self._by_id(kind, values.get(_BY_ID))
        external_id = values.get(_BY_EXTERNAL_ID)
        by_external_id = None
        if external_id is not None:
            by_external_id = self.mapped.mapped(context, kind, external_id, _BY_EXTERNAL_ID)
            if by_external_id is None:
                raise miss(_BY_EXTERNAL_ID, kind, external_id)
            if by_id not in (None, by_external_id):
                raise invalid(_BY_EXTERNAL_ID, f"{_BY_ID} and {_BY_EXTERNAL_ID} name different entities")
        item_id = by_id or by_external_id
        if item_id is None:
            raise invalid(_BY_ID, f"{_BY_ID} is required for work on a {kind.replace('_', ' ')}")
        return item_id

    def _by_id(self, kind: str, text: str | None) -> UUID | None:
        if text is None:
            return None
        item_id = self.named.get(kind, {}).get(_key(kind, text))
        if item_id is None:
            named = _NAMES.get(kind, "id")
            raise invalid(_BY_ID, f"{_BY_ID} {text!r}: there is no active {kind.replace('_', ' ')} of that {named}")
        return item_id


def load_work_items(commands: Sequence[Command]) -> WorkItems:
    """Read what `commands` (of one tenant) name: a query for each type that is named, and one for external ids."""
    wanted: dict[str, set[str]] = defaultdict(set)
    by_external_id: list[Command] = []
    for context, values in commands:
        kind, text = values["work_item_type"], values.get(_BY_ID)
        if text is not None and kind in COLUMNS:
            wanted[kind].add(_key(kind, text))
        by_external_id.append((context, {kind: values.get(_BY_EXTERNAL_ID)}))
    named = {kind: _load(commands[0][0], kind, keys) for kind, keys in wanted.items()}
    return WorkItems(named, load_references(by_external_id, _MAPPED))


def _load(context: ActionContext, kind: str, keys: set[str]) -> Mapping[str, UUID]:
    names = [key for key in keys if not is_id(key)]
    if kind == "ticket":
        names = [name for name in names if _TICKET_NUMBER.fullmatch(name)]
    parameters = {"tenant_id": context.tenant_id, "ids": [key for key in keys if is_id(key)], "names": names}
    return {row["wanted"]: row["id"] for row in context.tx.rows(_QUERIES[kind], parameters)}


def _key(kind: str, text: str) -> str:
    """`text` as the queries give it back."""
    is_number = kind == "ticket" and _TICKET_NUMBER.fullmatch(text)
    return str(int(text)) if is_number else reference_key(text)


def _require_fitting(kind: str, values: Mapping[str, Any]) -> None:
    """Raise ActionError for a name that the type does not have."""
    takes = {_BY_ID: kind in COLUMNS, _BY_EXTERNAL_ID: kind in _MAPPED.external_ids}
    for field, is_taken in takes.items():
        if values.get(field) is not None and not is_taken:
            raise invalid(field, f"{field} does not go with work_item_type {kind}")
