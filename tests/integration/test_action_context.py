"""What a handler's context does with external ids, on a real Postgres: realms, conflicts, namespaces."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from infra.actions.core.coercion import compile_coercer
from infra.actions.registry import ActionRegistry, RegisteredAction
from schemas.actions import ActionContext, ActionResult
from sinks.actions.assets import UPSERT_ASSET
from sinks.actions.execution import Outcome
from tests.support.actions import ActionBase, add_mapping, refusal_of
from tests.support.assets import asset_request

FIRST, SECOND = uuid4(), uuid4()
Found = Callable[[ActionContext], UUID | None]


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    return ActionBase.prepare(migrated_dsn)


def run(base: ActionBase, step: Found, **members: Any) -> Outcome:
    """Run `step` as an action; what it returns is the outcome's entity."""

    def handle(context: ActionContext, values: Any) -> ActionResult:
        del values
        return ActionResult(entity_type="asset", entity_id=step(context))

    definition = replace(UPSERT_ASSET, handle=handle)
    registry = ActionRegistry([RegisteredAction(definition, "test", compile_coercer(definition))])
    return base.run(asset_request(base, {}, **members), registry=registry)[0]


def find(context: ActionContext) -> UUID | None:
    return context.find("asset", "x")


def link(entity_id: UUID, realm: str = "", external_id: str = "x") -> Found:
    def step(context: ActionContext) -> UUID:
        context.link("asset", external_id, entity_id, realm=realm)
        return entity_id

    return step


def test_an_id_is_found_without_a_realm_else_in_its_only_one(base: ActionBase) -> None:
    assert run(base, find).body["entity_id"] is None
    add_mapping(base, "asset", "x", FIRST, "site-1")
    assert run(base, find).body["entity_id"] == str(FIRST)
    add_mapping(base, "asset", "x", SECOND, "site-2")
    assert refusal_of(run(base, find)) == ("VALIDATION_ERROR", "field_mapping.external_id")
    without_realm = uuid4()
    add_mapping(base, "asset", "x", without_realm)
    assert run(base, find).body["entity_id"] == str(without_realm)


def test_an_id_is_linked_once_per_realm_and_an_entity_once(base: ActionBase) -> None:
    assert run(base, link(FIRST)).status == "dispatched"
    assert refusal_of(run(base, link(SECOND)))[0] == "CONFLICT"
    assert refusal_of(run(base, link(FIRST, external_id="y")))[0] == "CONFLICT"
    assert run(base, link(SECOND, "site-1")).status == "dispatched"
    realms = base.rows("SELECT realm_id, entity_id FROM external_entity_mappings ORDER BY realm_id")
    assert realms == [{"realm_id": "", "entity_id": FIRST}, {"realm_id": "site-1", "entity_id": SECOND}]


def test_a_namespace_that_does_not_exist_takes_no_ids(base: ActionBase) -> None:
    outcome = run(base, link(FIRST), webhook_id=str(uuid4()))
    assert refusal_of(outcome) == ("LOOKUP_MISS", "field_mapping.external_id")
