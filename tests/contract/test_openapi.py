"""The OpenAPI document: current, whole, and saying of every operation what it needs and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from management.boundary import API
from schemas.workflows import WorkflowWebhookEnvelope
from tests.support.operations import all_operations
from tools.write_openapi import DOCUMENT, document

Json = dict[str, Any]
METHODS = {"get", "post", "put", "patch", "delete"}
NAMED = {
    *("InboundWebhookConfig", "InboundWebhookCreateInput", "InboundWebhookUpdateInput", "InboundWebhookAuthConfig"),
    *("InboundWebhookHandlerConfig", "InboundWebhookDelivery", "InboundActionDefinition", "InboundActionTargetField"),
    "WorkflowWebhookEnvelope",
}


@pytest.fixture(scope="module")
def made() -> Json:
    found: Json = json.loads(document())
    return found


def operations(made: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in made["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


def test_the_committed_document_is_what_the_routes_say() -> None:
    assert DOCUMENT.read_text("utf-8") == document(), "run tools/write_openapi.py"


def test_every_schema_that_was_promised_by_name_is_there(made: Json) -> None:
    assert set(made["components"]["schemas"]) >= NAMED
    assert {name for name in made["components"]["schemas"] if name.endswith(("-Input", "-Output"))} == set()


@pytest.mark.parametrize("name", ["InboundWebhookAuthConfig", "InboundWebhookHandlerConfig"])
def test_variants_are_told_apart_by_their_type(made: Json, name: str) -> None:
    union = made["components"]["schemas"][name]
    assert union["discriminator"]["propertyName"] == "type"
    assert {variant["$ref"] for variant in union["oneOf"]} == set(union["discriminator"]["mapping"].values())


def test_the_envelope_has_the_members_that_workflows_are_given(made: Json) -> None:
    members = {"source", "body", "headers", "verified", "delivery_id", "idempotency_key", "received_at"}
    assert set(WorkflowWebhookEnvelope.model_fields) == members
    assert set(made["components"]["schemas"]["WorkflowWebhookEnvelope"]["properties"]) == members


def test_every_reference_leads_somewhere(made: Json) -> None:
    text = json.dumps(made)
    for reference in {part.split('"', 1)[0] for part in text.split('"#/components/schemas/')[1:]}:
        assert reference in made["components"]["schemas"]


def test_every_operation_has_an_id_of_its_own_and_words_about_it(made: Json) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(made)]
    assert len(ids) == len(set(ids))
    assert [one["operationId"] for _, _, one in operations(made) if not one.get("description")] == []


def test_every_operation_says_what_it_needs(made: Json) -> None:
    for operation in all_operations():
        shown = made["paths"][API + operation.path][operation.method.lower()]
        assert shown.get("x-permissions", []) == list(operation.permissions)
        assert shown.get("x-entitlements", []) == list(operation.entitlements)
        assert bool(shown["security"]) == bool(operation.requirements)
        for permission in operation.permissions:
            assert permission in shown["responses"]["403"]["description"]


def test_every_refusal_has_the_one_error_format(made: Json) -> None:
    for path, method, operation in operations(made):
        for status, answer in operation["responses"].items():
            if path.startswith(API) and status >= "400":
                assert answer["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}, (
                    f"{method} {path} {status}"
                )


def test_the_receiver_is_there_with_all_its_answers(made: Json) -> None:
    item = made["paths"]["/api/inbound/{tenant_slug}/{webhook_slug}"]
    for method in ("post", "put", "patch"):
        answers = set(item[method]["responses"])
        assert answers == {"200", "400", "401", "405", "408", "413", "429", "431", "503"}
