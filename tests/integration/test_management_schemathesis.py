"""Schemathesis against the running API: whatever fits the OpenAPI document, or does not, is answered as it says."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from infra.clickhouse import ClickHouse
from tests.support.management import ManagementBase, bearer, running_management
from tests.support.people import make_person, make_role
from tests.support.webhooks import create_webhook
from tools.write_openapi import document

SEED = 20_261_125
EXAMPLES_MAX = 10
load_all_checks()
#: What fits the document may still be refused: an expression that is none, a slug that is taken.
NOT_CHECKED: list[Any] = CHECKS.get_by_names(["positive_data_acceptance"])

_schema = schemathesis.openapi.from_dict(json.loads(document())).exclude(path_regex="^/api/inbound/")
_schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
_schema.config.phases.update(phases=["fuzzing"])
_bounded = settings(
    max_examples=EXAMPLES_MAX,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
_fewer = settings(_bounded, max_examples=EXAMPLES_MAX // 3)


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


@pytest.fixture
def ids(management_base: ManagementBase) -> dict[str, str]:
    """Of things that are there, made for one operation."""
    webhook = create_webhook(management_base, f"s-{uuid.uuid4().hex[:12]}")
    key = management_base.call("POST", "/api-keys", json={"name": "s", "permissions": ["delivery:read"]}).json()
    role_id = make_role(management_base)
    user_id, _ = make_person(management_base, role_id)
    return {
        "webhook_id": webhook["id"],
        "version": "1",
        "key_id": key["id"],
        "role_id": str(role_id),
        "user_id": str(user_id),
        "tenant_id": str(management_base.tenant.id),
    }


@_schema.parametrize()
@seed(SEED)
@_bounded
def test_every_answer_is_one_of_the_document(
    case: schemathesis.Case[Any], management_base: ManagementBase, address: str, ids: dict[str, str]
) -> None:
    """No answer is 5xx, or of a status, type or shape that the document has not got, whether the ids exist or not."""
    headers = management_base.tenant.headers
    case.call_and_validate(base_url=address, headers=headers, excluded_checks=NOT_CHECKED)
    existing = {name: ids[name] for name in case.path_parameters or {} if name in ids}
    if existing and case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        case.path_parameters.update(existing)
        case.call_and_validate(base_url=address, headers=headers, excluded_checks=NOT_CHECKED)


@_schema.parametrize()
@seed(SEED)
@_fewer
def test_a_key_without_permissions_is_answered_as_the_document_says(
    case: schemathesis.Case[Any], management_base: ManagementBase, address: str
) -> None:
    powerless = bearer(management_base.new_key())
    answer = case.call_and_validate(base_url=address, headers=powerless, excluded_checks=NOT_CHECKED)
    needed = case.operation.definition.raw.get("x-permissions", [])
    assert not needed or answer.status_code in {400, 403}, answer.status_code
