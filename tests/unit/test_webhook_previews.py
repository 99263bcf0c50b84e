"""Previews without a store: what is tried of a mapping, with which engine, and for how long."""

from __future__ import annotations

import time
from typing import Any

import pytest

from infra.actions.registry import load_actions
from infra.enrichment.clients import surroundings_of
from infra.ids import uuid7_text
from infra.jsonata import ENGINES, Limits
from infra.settings import Settings
from management.errors import ValidationFailedError
from management.webhook_tests.previews import PREVIEW_SECONDS_MAX, Previewer, Trial
from management.webhook_tests.records import TriedRequest, work_out
from schemas.webhooks import WorkflowHandler
from tests.support.requests import webhook_config

AT_US = 1_750_849_543_488_123
#: Runs until its time is over.
ENDLESS = "$reduce([1..90000], function($a, $b){ $a + $sum([1..90000]) })"
BY_ENGINE = pytest.mark.parametrize("engine", ENGINES)


def previewer(engine: str = "jlens", timeout_seconds: float = 1.0) -> Previewer:
    return Previewer(
        load_actions(), surroundings_of(Settings()), engine=engine, limits=Limits(timeout_seconds=timeout_seconds)
    )


def trial() -> Trial:
    body = b'{"alert":{"id":"a-1"}}'
    request = TriedRequest("POST", {"x-event": "raised"}, {"site": "north"}, "application/json", body, "10.0.0.9")
    found = work_out(webhook_config(), request, {}, at_us=AT_US, timeout_seconds=1)
    return Trial(request, found, uuid7_text(AT_US), AT_US)


def preview(mapping: dict[str, str], **options: Any) -> Any:
    return previewer(**options).mapping(webhook_config(), None, mapping, trial())


@BY_ENGINE
def test_expressions_read_everything_they_would_read_in_the_pipeline(engine: str) -> None:
    fields = preview(
        {
            "title": "$headers.`x-event` & ' ' & $query.site & ' ' & $delivery.idempotency_key",
            "external_id": "$millis()",
            "description": "null",
        },
        engine=engine,
    ).fields
    assert fields["title"].value == "raised north a-1"
    assert fields["external_id"].value == AT_US // 1_000
    assert (fields["description"].present, fields["description"].value, fields["description"].type_ok) == (
        *(True, None, True),
    )


@BY_ENGINE
def test_a_fault_is_named_with_its_position_and_leaves_the_others_alone(engine: str) -> None:
    fields = preview({"title": "alert.id & (", "external_id": "alert.id"}, engine=engine).fields
    assert fields["title"].error is not None
    assert fields["title"].error.position is not None
    assert (fields["title"].present, fields["title"].type_ok) == (False, None)
    assert fields["external_id"].value == "a-1"


def test_a_mapping_is_tried_for_a_bounded_time() -> None:
    names, tried, of = [f"field_{number}" for number in range(12)], previewer(timeout_seconds=0.3), trial()
    started = time.monotonic()
    fields: Any = tried.mapping(webhook_config(), None, dict.fromkeys(names, ENDLESS), of).fields
    assert time.monotonic() - started < PREVIEW_SECONDS_MAX + 3
    assert fields[names[0]].error.message != fields[names[-1]].error.message
    assert fields[names[-1]].error.message == "not tried: those before it took 2 s"


def test_a_webhook_that_starts_a_workflow_needs_an_action_to_preview_a_mapping() -> None:
    workflow = webhook_config(handler_type="workflow", handler_config=WorkflowHandler(workflow_id="w-1"))
    with pytest.raises(ValidationFailedError) as refused:
        previewer().mapping(workflow, None, {"title": "1"}, trial())
    assert [problem.path for problem in refused.value.details] == ["action"]
    named = previewer().mapping(workflow, "createTicket", {"title": "'x'"}, trial())
    assert named.fields["title"].type_ok is True


def test_a_dry_run_of_a_webhook_that_cannot_work_says_why() -> None:
    config = webhook_config(handler_type="workflow", handler_config=WorkflowHandler(workflow_id="w-1"))
    found = previewer().dry_run(config, trial())
    assert found.valid is False
    assert [problem.path for problem in found.problems] == [""]
    assert found.problems[0].message.startswith("workflow w-1 cannot be started")
