"""Where what becomes of a request now differs from what became of it then; and what is remembered of keys."""

from __future__ import annotations

import random
import uuid
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.actions.registry import ActionRegistry, load_actions
from infra.requests.filters import StoppedBy
from infra.requests.redaction import compile_redaction
from management.comparing.differences import (
    FIELDS_COUNTED_MAX,
    OTHER_FIELDS,
    Difference,
    Entity,
    Failure,
    FieldDifference,
    Side,
    Totals,
    difference,
)
from management.comparing.entities import ExternalId, effect_of, external_id_of
from management.comparing.seen import SeenKeys
from schemas.webhooks import ActionHandler

RULE, OTHER_RULE = StoppedBy("filters.all.0", {"jsonata": "a"}), StoppedBy("filters.all.1", {"jsonata": "b"})
MAPPING = Failure("MAPPING_FAILED", "no", "field_mapping.title")
MISS = Failure("LOOKUP_MISS", "none", "field_mapping.external_id", in_action=True)
SLOW = Failure("TIMEOUT", "too slow", None, in_action=True)
TICKET, NEW, UNKNOWN = Entity("ticket", "t-1"), Entity("ticket", None, "create"), Entity("ticket", None, "unknown")
DISPATCHED = Side("dispatched", {"title": "x"}, action="createTicket")
WEBHOOK = UUID("0192f0c0-0000-7000-8000-0000000000aa")


@pytest.mark.parametrize(
    ("then", "now", "kinds"),
    [
        (DISPATCHED, DISPATCHED, ()),
        (DISPATCHED, Side("filtered", stopped_by=RULE), ("filtered_now",)),
        (Side("filtered", stopped_by=RULE), DISPATCHED, ("passes_now",)),
        (Side("filtered", stopped_by=RULE), Side("filtered", stopped_by=RULE), ()),
        (Side("filtered", stopped_by=RULE), Side("filtered", stopped_by=OTHER_RULE), ("other_rule",)),
        (DISPATCHED, Side("failed", failure=MAPPING), ("fails_now",)),
        (Side("failed", failure=MAPPING), DISPATCHED, ("succeeds_now",)),
        (Side("failed", failure=MAPPING), Side("failed", failure=MAPPING._replace(message="other")), ()),
        (Side("failed", failure=MAPPING), Side("failed", failure=MISS), ("other_error",)),
        (Side("failed", failure=SLOW), DISPATCHED, ("tried_again",)),
        (Side("failed", failure=MISS), DISPATCHED._replace(entity=TICKET._replace(effect="update")), ("succeeds_now",)),
        (Side("failed", failure=MISS), DISPATCHED._replace(entity=UNKNOWN), ("tried_again",)),
        (DISPATCHED, Side("duplicate"), ("duplicate_now",)),
        (Side("duplicate"), DISPATCHED, ("runs_now",)),
        (Side("pending"), DISPATCHED, ("runs_now",)),
        (Side("failed", failure=SLOW), Side("present"), ()),
        (DISPATCHED, DISPATCHED._replace(action="createProjectTask"), ("other_action",)),
        (DISPATCHED, DISPATCHED._replace(fields={"title": "y"}), ("fields",)),
        (DISPATCHED._replace(entity=TICKET), DISPATCHED._replace(entity=TICKET._replace(effect="update")), ()),
        (
            DISPATCHED._replace(entity=TICKET),
            DISPATCHED._replace(entity=NEW),
            ("other_entity",),
        ),
        (DISPATCHED._replace(entity=TICKET), DISPATCHED._replace(entity=UNKNOWN), ()),
    ],
)
def test_each_way_to_differ_has_its_name(then: Side, now: Side, kinds: tuple[str, ...]) -> None:
    assert difference(then, now).kinds == kinds


def test_fields_differ_as_json_does() -> None:
    then = {"same": [1, {"a": None}], "gone": 1, "number": 1, "truth": True, "null": None}
    now = {"same": [1.0, {"a": None}], "new": None, "number": 2, "truth": 1, "null": ""}
    assert difference(DISPATCHED._replace(fields=then), DISPATCHED._replace(fields=now)).fields == (
        FieldDifference("gone", "removed", 1, None),
        FieldDifference("new", "added", None, None),
        FieldDifference("null", "changed", None, ""),
        FieldDifference("number", "changed", 1, 2),
        FieldDifference("truth", "changed", True, 1),
    )
    assert difference(Side("filtered"), DISPATCHED).fields == (), "nothing was mapped"


def test_totals_count_deliveries_by_kind_and_fields_by_change_within_a_bound() -> None:
    totals = Totals()
    names = [f"field_{number}" for number in range(FIELDS_COUNTED_MAX + 2)]
    many = Difference(("fields", "fails_now"), tuple(FieldDifference(name, "added", None, 1) for name in names))
    for found in (many, many, Difference((), ())):
        totals.add(DISPATCHED, Side("failed", failure=MAPPING), found)
    totals.add_incomparable("lost")
    assert (totals.compared, totals.different, totals.not_comparable) == (3, 2, {"lost": 1})
    assert totals.by_kind == {"fields": 2, "fails_now": 2}
    assert (totals.then, totals.now) == ({"dispatched": 3}, {"failed": 3})
    assert len(totals.fields) == FIELDS_COUNTED_MAX + 1
    assert totals.fields[OTHER_FIELDS] == {"added": 4}


@pytest.fixture(scope="module")
def registry() -> ActionRegistry:
    return load_actions()


@pytest.mark.parametrize(
    ("action", "options", "mapped", "expected"),
    [
        ("createTicket", {}, {}, ("create", None)),
        ("createTicket", {}, {"": "t"}, ("CONFLICT", None)),
        ("createTicket", {"on_existing": "update"}, {"": "t"}, ("update", "t")),
        ("createTicket", {"on_existing": "ignore"}, {"": "t"}, ("unchanged", "t")),
        ("upsertClientByExternalId", {}, {}, ("create", None)),
        ("upsertClientByExternalId", {}, {"": "t", "realm": "other"}, ("update", "t")),
        ("upsertClientByExternalId", {}, {"a": "t", "b": "other"}, ("unknown", None)),
        ("updateTicketByExternalId", {}, {}, ("LOOKUP_MISS", None)),
        ("updateTicketByExternalId", {}, {"only": "t"}, ("update", "t")),
    ],
)
def test_what_an_action_does_follows_from_its_options_and_the_mappings(
    registry: ActionRegistry, action: str, options: dict[str, str], mapped: dict[str, Any], expected: tuple[str, Any]
) -> None:
    ids = {name: uuid.uuid5(WEBHOOK, value) for name, value in mapped.items()}
    handler = ActionHandler(action=action, field_mapping={}, options=options)
    definition, fields = registry[action].definition, {"external_id": "e-1"}
    external_id = external_id_of(handler, WEBHOOK, definition.entity_type, fields)
    found = effect_of(definition, handler, fields, external_id, ids)
    wanted = None if expected[1] is None else str(uuid.uuid5(WEBHOOK, expected[1]))
    if isinstance(found, Failure):
        assert (found.code, found.path) == (expected[0], "field_mapping.external_id")
    else:
        assert (found.effect, found.id) == (expected[0], wanted)


def test_an_external_id_is_of_the_namespace_and_the_kind_that_the_action_looks_in() -> None:
    other = UUID(int=7)
    sharing = ActionHandler(action="x", field_mapping={}, options={"external_ids_of": str(other)})
    assert external_id_of(sharing, WEBHOOK, "ticket", {"external_id": "e"}) == ExternalId(other, "ticket", "e")
    tagged = external_id_of(
        ActionHandler(action="x", field_mapping={}), WEBHOOK, "tag", {"external_id": "e", "entity_type": "asset"}
    )
    assert tagged == ExternalId(WEBHOOK, "asset", "e")


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(1, 2**63)), max_size=200))
def test_seen_keys_have_their_last_number(pairs: list[tuple[str, int]]) -> None:
    seen = SeenKeys()
    for key, number in pairs:
        seen.put(key, number)
    assert {key: seen.get(key) for key, _ in pairs} == dict(pairs)
    assert seen.get("never seen") is None


def test_seen_keys_grow() -> None:
    seen, chance = SeenKeys(), random.Random(8)
    keys = [str(chance.random()) for _ in range(20_000)]
    for number, key in enumerate(keys, 1):
        seen.put(key, number)
    assert [seen.get(key) for key in keys] == list(range(1, len(keys) + 1))
    assert "another" not in seen


def test_what_is_made_of_a_body_is_masked_where_the_body_is() -> None:
    body = {"pin": 471_199, "who": "Ada", "auth": {"token": "hush-hush"}}
    made = {"a": ["pin 471199", 471_199, "Ada"], "password": "x", "b": {"c": "is hush-hush"}, "d": None, "e": True}
    assert compile_redaction(("$.pin",)).scrub_values(made, body) == {
        "a": ["pin ***", "***", "Ada"],
        "password": "***",
        "b": {"c": "is ***"},
        "d": None,
        "e": True,
    }
    assert made["password"] == "x"
