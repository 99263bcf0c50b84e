"""The parts of docs/actions.md that follow from the registry, the events and the matrix; the rest is written by hand.

`--check` writes nothing and says whether they are current.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from infra.actions.registry import ENTRY_POINT_GROUP, load_actions  # noqa: E402  # the repository's own
from infra.entities.events import ENTITY_EVENTS  # noqa: E402
from schemas.actions import DEFAULT_TEXT_LENGTH_MAX, ActionDefinition, FieldType, TargetField  # noqa: E402
from schemas.event_types import core_event_types  # noqa: E402
from tools.made_file import write_or_check  # noqa: E402

PAGE = ROOT / "docs" / "actions.md"
MATRIX = ROOT / "docs" / "action-matrix.json"
CASES = {
    "ok": "ok",
    "miss": "unmapped id",
    "invalid type": "invalid type",
    "missing required": "missing",
    "conflict": "conflict",
    "cross-tenant ref": "another tenant's",
    "replayed": "replayed",
    "concurrent": "eight at once",
}
FIELDS_SHOWN_MAX = 2
#: What device snapshots change besides (`sinks/actions/assets/events.py`).
ASSET_CHANGES = {
    "asset.activated": ("is_active", "rmm.status"),
    "asset.deactivated": ("is_active", "rmm.status"),
    "asset.went_offline": ("rmm.status",),
    "asset.came_online": ("rmm.status",),
}
_PART = "<!-- {0}: made by tools/write_actions.py -->\n{1}<!-- end of {0} -->"


def definitions() -> list[ActionDefinition]:
    """The built-in actions by entity type and name."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    points = [EntryPoint(name, value, ENTRY_POINT_GROUP) for name, value in declared[ENTRY_POINT_GROUP].items()]
    return [action.definition for action in load_actions(points).values()]


def overview() -> str:
    """What there is, by entity type."""
    rows = [
        f"| {_words(one.entity_type)} | [`{one.name}`](#{one.name.lower()}) | {one.description} | {_options(one)} |\n"
        for one in definitions()
    ]
    return "| entity | action | what it does | options |\n|---|---|---|---|\n" + "".join(rows)


def reference() -> str:
    """The fields of every action, by entity type."""
    by_type: dict[str, list[ActionDefinition]] = defaultdict(list)
    for definition in definitions():
        by_type[definition.entity_type].append(definition)
    sections = [
        f"### {_words(kind).capitalize()}\n\n" + "\n".join(map(_section, of_type)) for kind, of_type in by_type.items()
    ]
    return "\n" + "\n".join(sections)


def _section(definition: ActionDefinition) -> str:
    head = f"#### {definition.name}\n\n{definition.display_name}. {definition.description}. Options: "
    table = "| field | type | required | what it is |\n|---|---|---|---|\n"
    rows = [
        f"| `{field.name}` | {_type(field)} | {_required(field, definition)} | {field.description} |\n"
        for field in definition.target_fields
    ]
    return f"{head}{_options(definition)}.\n\n{table}{''.join(rows)}"


def _options(definition: ActionDefinition) -> str:
    return ", ".join(f"`{option.name}`" for option in definition.options)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _type(field: TargetField) -> str:
    if field.ref_entity_type is not None:
        return f"ref: {_words(field.ref_entity_type)}"
    if field.type is FieldType.ENUM:
        return "enum: " + ", ".join(f"`{value}`" for value in field.enum_values)
    if field.type is FieldType.STRING:
        return f"string, up to {field.max_length or DEFAULT_TEXT_LENGTH_MAX:,}"
    if field.type is FieldType.JSON:
        kind = "object" if field.json_object else "json"
        return kind if field.max_length is None else f"{kind}, up to {field.max_length:,} bytes"
    if field.minimum is not None and field.maximum is not None:
        return f"{field.type}, {field.minimum:,} to {field.maximum:,}"
    return str(field.type) if field.minimum is None else f"{field.type}, {field.minimum:,} or more"


def _required(field: TargetField, definition: ActionDefinition) -> str:
    if field.required:
        return "always"
    if field.required_on_create:
        return "for a new one"
    for group in definition.required_one_of:
        if field.name in group:
            return "or " + ", ".join(f"`{name}`" for name in group if name != field.name)
    return ""


def events() -> str:
    """Every event of entities: when it is told, which changes it tells, by which actions."""
    rows = [
        f"| `{name}` | {versions[-1].description} | {_told_changes(name)} |\n"
        for name, versions in core_event_types().items()
        if "entity_id" in versions[-1].json_schema["properties"]
    ]
    of_actions = [
        f"| `{action}` | {', '.join(f'`{name}`' for name in cells['ok']['events'])} |\n"
        for action, cells in _matrix().items()
    ]
    by_event = "| event | when | changes it tells |\n|---|---|---|\n" + "".join(rows)
    by_action = "| action | its *ok* command, of the table at the end, tells |\n|---|---|\n" + "".join(of_actions)
    return f"{by_event}\n{by_action}"


def _told_changes(event_type: str) -> str:
    rules = ENTITY_EVENTS.get(event_type.partition(".")[0])
    own = {} if rules is None else {one.event_type: one.columns for one in rules.own}
    columns = ASSET_CHANGES.get(event_type) or own.get(event_type, ())
    if columns:
        return ", ".join(f"`{column}`" for column in sorted(columns))
    return "the others" if event_type.endswith(".updated") else "none"


def matrix() -> str:
    """What every action does in every case, as the tests found it."""
    reasons: list[str] = []
    rows = []
    for action, cells in _matrix().items():
        shown = [_cell(cells[case], reasons) for case in CASES]
        rows.append(f"| `{action}` | {' | '.join(shown)} |\n")
    head = f"| action | {' | '.join(CASES.values())} |\n|---|{'---|' * len(CASES)}\n"
    notes = [f"{number}. {reason}\n" for number, reason in enumerate(reasons, 1)]
    return f"{head}{''.join(rows)}\n{''.join(notes)}"


def _matrix() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(MATRIX.read_text("utf-8"))
    return found


def _cell(cell: Mapping[str, Any], reasons: list[str]) -> str:
    if "cannot" in cell:
        if cell["cannot"] not in reasons:
            reasons.append(cell["cannot"])
        return f"cannot ({reasons.index(cell['cannot']) + 1})"
    if "refused" in cell:
        return "; ".join(f"{code}: {_fields(fields)}" for code, fields in cell["refused"].items())
    if "at_once" in cell:
        return ", ".join(f"{count} {_outcome(word)}" for word, count in cell["at_once"].items())
    return _outcome(cell["replayed"]) if "replayed" in cell else str(cell["then"])


def _fields(fields: list[str]) -> str:
    if len(fields) > FIELDS_SHOWN_MAX:
        return f"each of {len(fields)} fields"
    return ", ".join(f"`{name}`" for name in fields)


def _outcome(word: str) -> str:
    code, _, field = word.partition(" ")
    return f"{code}: `{field}`" if field else word


PARTS: Mapping[str, Callable[[], str]] = {
    "overview": overview,
    "events": events,
    "reference": reference,
    "matrix": matrix,
}


def page(current: str) -> str:
    """`current` with its made parts made anew. Raises ValueError when one of them is not there once."""
    for name, make in PARTS.items():
        pattern = re.escape(_PART.format(name, "\0")).replace("\0", ".*?")
        pieces = re.split(pattern, current, flags=re.S)
        if len(pieces) != 2:
            raise ValueError(f"{PAGE.name} has the part {name} {len(pieces) - 1} times")
        current = _PART.format(name, make()).join(pieces)
    return current


def main() -> int:
    """Exit 0 when the file is written, or current, else 1."""
    return write_or_check(PAGE, page(PAGE.read_text("utf-8")), what="the registry says", tool="write_actions.py")


if __name__ == "__main__":
    sys.exit(main())
