"""Schemathesis against the running API: whatever fits the OpenAPI document, or does not, is answered as it says."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy, one_of
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.schemas import APIOperation

from infra.clickhouse import ClickHouse
from tests.support.entities import EXAMPLES, make_entity
from tests.support.management import ManagementBase, bearer, running_management
from tests.support.people import make_person, make_role
from tests.support.webhooks import create_webhook
from tools.write_openapi import document

SEED = 20_261_125
EXAMPLES_MAX = 10
_ANSWER_SECONDS = 60
load_all_checks()
#: What fits the document may still be refused: an expression that is none, a slug that is taken.
NOT_CHECKED: list[Any] = CHECKS.get_by_names(["positive_data_acceptance"])

Operation = APIOperation[Any, Any, Any, Any]
_schema = schemathesis.openapi.from_dict(json.loads(document())).exclude(path_regex="^/api/inbound/")
_found: list[Any] = list(_schema.get_all_operations())
OPERATIONS: dict[str, Operation] = {one.ok().label: one.ok() for one in _found}
_bounded = settings(
    max_examples=EXAMPLES_MAX,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
_fewer = settings(_bounded, max_examples=EXAMPLES_MAX // 3)
#: Paths of entities: one frame answers for all of them.
_ENTITY_PATHS = tuple(f"/api/v1{example.path}" for example in EXAMPLES.values())


@pytest.fixture(scope="module")
def address(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> Iterator[str]:
    """Of a role that does not wait for a pipeline that is not there, nor mind how many keys are none."""
    sys.stdout.write(f"seed {SEED}\n")
    management = management_base.settings.management.model_copy(
        update={"test_wait_seconds": 0.1, "failed_keys_per_minute": 1_000_000}
    )
    changed = management_base.settings.model_copy(update={"management": management})
    with running_management(changed, clickhouse_engine) as client:
        yield str(client.base_url)


@pytest.fixture(scope="module")
def entity_ids(management_base: ManagementBase) -> dict[str, str]:
    """Of one entity of each kind; once one is deleted, its operations meet what is not there."""
    made = {f"{kind}_id": make_entity(management_base, kind)["id"] for kind in EXAMPLES}
    return {**made, "entity_type": "ticket", "entity_id": made["ticket_id"]}


@pytest.fixture
def ids(management_base: ManagementBase, entity_ids: dict[str, str], label: str) -> dict[str, str]:
    """Of things that are there, made for one operation, but for entities."""
    if {one.name for one in OPERATIONS[label].path_parameters} <= entity_ids.keys():
        return entity_ids
    webhook = create_webhook(management_base, f"s-{uuid.uuid4().hex[:12]}")
    name = f"s{uuid.uuid4().hex[:12]}.happened"
    declared = management_base.call("POST", "/event-types", json={"name": name, "json_schema": {}})
    assert declared.status_code == 201, declared.text
    key = management_base.call("POST", "/api-keys", json={"name": "s", "permissions": ["delivery:read"]}).json()
    role_id = make_role(management_base)
    user_id, _ = make_person(management_base, role_id)
    alert_id = str(uuid.uuid4())
    management_base.write(
        "INSERT INTO alerts (tenant_id, id, rule, subject, severity, message, raised_at) "
        "VALUES (%s, %s, 'sla', %s, 'warning', 'late', now())",
        (management_base.tenant.id, alert_id, alert_id),
    )
    return {
        "webhook_id": webhook["id"],
        "alert_id": alert_id,
        "rule": "sla",
        "version": "1",
        "name": name,
        "key_id": key["id"],
        "role_id": str(role_id),
        "user_id": str(user_id),
        "tenant_id": str(management_base.tenant.id),
        "preset_name": "github",
        **entity_ids,
    }


def cases(operation: Operation, existing: Mapping[str, str]) -> SearchStrategy[Any]:
    """Requests that fit the document, with ids of nothing and of what is there, and requests that do not fit."""
    named = {one.name for one in operation.path_parameters}
    fixed = {name: value for name, value in existing.items() if name in named}
    strategies = [operation.as_strategy(GenerationMode.POSITIVE)]
    if fixed:
        strategies.append(operation.as_strategy(GenerationMode.POSITIVE, path_parameters=fixed))
    if named or len(operation.query) or len(operation.body):
        strategies.append(operation.as_strategy(GenerationMode.NEGATIVE))
    return one_of(strategies)


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_one_of_the_document(
    label: str, management_base: ManagementBase, address: str, ids: dict[str, str]
) -> None:
    """No answer is 5xx, or of a status, type or shape that the document has not got, whether the ids exist or not."""

    @seed(SEED)
    @(_fewer if OPERATIONS[label].path.startswith(_ENTITY_PATHS) else _bounded)
    @given(case=cases(OPERATIONS[label], ids))
    def run(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(
            base_url=address,
            headers=management_base.tenant.headers,
            excluded_checks=NOT_CHECKED,
            timeout=_ANSWER_SECONDS,
        )

    run()


@pytest.mark.parametrize("label", OPERATIONS)
def test_a_key_without_permissions_is_answered_as_the_document_says(
    label: str, management_base: ManagementBase, address: str
) -> None:
    powerless = bearer(management_base.new_key())
    needed = OPERATIONS[label].definition.raw.get("x-permissions", [])

    @seed(SEED)
    @_fewer
    @given(case=cases(OPERATIONS[label], {}))
    def run(case: schemathesis.Case[Any]) -> None:
        answer = case.call_and_validate(
            base_url=address, headers=powerless, excluded_checks=NOT_CHECKED, timeout=_ANSWER_SECONDS
        )
        assert not needed or answer.status_code in {400, 403}, answer.status_code

    run()
