"""Events of Hookline's own: every one that the code can emit has a schema, and every schema is of one it can emit."""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest

from infra.event_schemas.checks import DIALECT, find_problems
from infra.event_schemas.compatibility import find_differences
from infra.topics import DOMAIN_EVENTS
from schemas.event_types import NAME_PATTERN, CoreEventType, core_event_types, is_reserved
from schemas.records import DeliveryRecord, DomainEvent
from sinks.actions.tags.fields import TAGGED_TYPES
from tests.contract.test_schemas_examples import EXAMPLES, load
from tests.support.events import check_events

ROOT = Path(__file__).parents[2]
TELLERS = sorted(
    path for part in ("sinks/actions", "infra/entities", "management/alerting") for path in (ROOT / part).rglob("*.py")
)
DELIVERY_RECORDED = "delivery.recorded"
ALL = [version for versions in core_event_types().values() for version in versions]
BY_VERSION = pytest.mark.parametrize("version", ALL, ids=lambda version: f"{version.name}.v{version.version}")
ENTITIES = {"alert", "asset", "client", "contact", "entity", "invoice", "project_task", "ticket", "time_entry"}
_WORD = re.compile(r"[a-z_]+")
_EVENT = re.compile(rf"(?:{'|'.join(sorted(ENTITIES))})\.[a-z_]+")


def emitted(path: Path) -> tuple[set[str], set[str]]:
    """Names of events in a file, and those that it may put together: `f"asset.{kind}"` with any word beside it."""
    tree = ast.parse(path.read_text("utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    prefixes = [str(text) for text in _prefixes(tree) if _EVENT.fullmatch(f"{text}x")]
    words = [text for text in texts if _WORD.fullmatch(text)]
    return {text for text in texts if _EVENT.fullmatch(text)}, {
        f"{start}{word}" for start in prefixes for word in words
    }


def _prefixes(tree: ast.AST) -> Iterator[object]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
            yield node.values[0].value


def test_every_event_that_actions_name_has_a_schema_and_every_schema_is_of_one_they_can_make() -> None:
    found = [emitted(path) for path in TELLERS]
    named = {name for names, _ in found for name in names}
    possible = named | {name for _, names in found for name in names}
    assert named
    assert named <= core_event_types().keys()
    assert core_event_types().keys() - {DELIVERY_RECORDED} <= possible


@BY_VERSION
def test_a_schema_is_fit_for_use_and_says_whose_it_is(version: CoreEventType) -> None:
    schema = version.json_schema
    assert find_problems(schema) == []
    assert schema["$schema"] == DIALECT
    assert schema["title"]
    assert schema["description"].endswith(".")
    assert re.fullmatch(NAME_PATTERN, version.name)
    assert is_reserved(version.name)
    if version.name != DELIVERY_RECORDED:
        assert schema["properties"]["type"] == {"const": version.name}
        entity_type = version.name.partition(".")[0]
        whose = {"enum": [*TAGGED_TYPES]} if entity_type == "entity" else {"const": entity_type}
        assert schema["properties"]["entity_type"] == whose


@BY_VERSION
def test_a_schema_of_a_domain_event_is_of_the_members_that_its_record_has(version: CoreEventType) -> None:
    if version.name != DELIVERY_RECORDED:
        assert version.json_schema["required"] == list(DomainEvent.model_fields)
        assert version.json_schema["properties"].keys() == DomainEvent.model_fields.keys()


def test_examples_of_domain_events_keep_to_their_schemas() -> None:
    examples = [path for path in EXAMPLES if path.parent.name == DOMAIN_EVENTS]
    assert examples
    check_events(json.loads(load(path)[3] or b"") for path in examples)


def test_versions_have_no_gaps_and_a_later_one_accepts_what_an_earlier_one_did() -> None:
    for versions in core_event_types().values():
        assert [one.version for one in versions] == list(range(1, len(versions) + 1))
        for earlier, later in itertools.pairwise(versions):
            assert find_differences(earlier.json_schema, later.json_schema) == []


def test_the_schema_of_a_delivery_record_is_that_of_the_record() -> None:
    """A record that changes in a way that is compatible gets a new file; until a release, the file may change."""
    newest = core_event_types()[DELIVERY_RECORDED][-1].json_schema
    assert newest == {"$schema": DIALECT, **DeliveryRecord.model_json_schema(), "title": newest["title"]}


def test_examples_of_delivery_records_keep_to_their_schema() -> None:
    newest = core_event_types()[DELIVERY_RECORDED][-1].json_schema
    validator = jsonschema_rs.Draft202012Validator(newest)
    examples = [path for path in EXAMPLES if path.parent.name == "webhooks.delivery.recorded.v1"]
    assert examples
    for path in examples:
        value = load(path)[3]
        assert value is not None
        assert validator.is_valid(json.loads(value)), path.name
