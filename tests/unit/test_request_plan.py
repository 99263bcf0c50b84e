"""One version of a webhook, compiled: the order of its steps, and what each of them says."""

from typing import Any

import orjson
import pytest

from infra.actions.registry import load_actions
from infra.enrichment.clients import surroundings_of
from infra.jsonata import Limits
from infra.requests.bindings import PlannedRequest
from infra.requests.plan import Evaluated, RequestPlan, compile_plan
from infra.settings import Settings
from schemas.headers import RecordPlace
from schemas.webhooks import ActionHandler, EventValidation, PresetAuth, SealedSecret, WorkflowHandler
from tests.support.requests import webhook_config

REGISTRY = load_actions()
HEADERS = {"x-event": "opened"}
OPENED = {"all": [{"field": "headers.X-Event", "operator": "equals", "value": "opened"}]}
CLOSED = {"all": [{"field": "headers.X-Event", "operator": "equals", "value": "closed"}]}
HANDLER = ActionHandler(action="createTicket", field_mapping={"title": "title", "client_id": "'Acme'"})
BROKEN = ActionHandler(action="createTicket", field_mapping={"title": "$error('no')", "client_id": "'Acme'"})
UNREADABLE = ActionHandler(action="createTicket", field_mapping={"title": "("})
RMM_ALERT = {"type": "object", "required": ["id"], "properties": {"title": {"type": "string"}}}


def plan(**config: Any) -> RequestPlan:
    handler = config.pop("handler_config", HANDLER)
    configured = webhook_config(handler_config=handler, handler_type=handler.type, **config)
    return compile_plan(
        configured, REGISTRY, surroundings_of(Settings()), engine="jlens", limits=Limits(timeout_seconds=1.0)
    )


def request(body: Any, *, raw: bytes | None = None, **facts: Any) -> PlannedRequest:
    known = {"headers": HEADERS, "query": {}, "content_type": "application/json", "invalid_json": False} | facts
    return PlannedRequest(
        orjson.dumps(body) if raw is None else raw,
        orjson.dumps(known),
        "0197a1c2-5d40-7c3e-9b1a-3f0e5d2c1b0a",
        1_750_849_543_488_000,
        "a-1",
        lambda: RecordPlace("webhooks.request.received.v1", 0, 7, 1_750_849_543_488),
    )


def validation(mode: str) -> EventValidation:
    return EventValidation.model_validate(
        {"mode": mode, "event_type": "rmm.alert", "event_version": 2, "json_schema": RMM_ALERT}
    )


def failure(evaluated: Evaluated) -> tuple[str, str | None]:
    assert evaluated.refusal is not None
    assert evaluated.fields is None
    assert evaluated.stopped_by is None
    return evaluated.refusal.code.value, evaluated.refusal.path


def test_a_request_that_passes_everything_becomes_typed_fields() -> None:
    checked = plan(filters=OPENED, validation=validation("reject"))
    evaluated = checked.evaluate(request({"id": 1, "title": "Disk"}))
    assert evaluated == Evaluated({"title": "Disk", "client_id": "Acme"}, None, None, (), {})


def test_a_filter_comes_before_validation_and_mapping() -> None:
    checked = plan(filters=CLOSED, validation=validation("reject"), handler_config=BROKEN)
    evaluated = checked.evaluate(request({}))
    assert evaluated.stopped_by is not None
    assert evaluated.stopped_by.path == "all.0"
    assert (evaluated.fields, evaluated.refusal) == (None, None)


def test_validation_comes_before_mapping_and_a_refusal_names_type_version_and_place() -> None:
    checked = plan(filters=OPENED, validation=validation("reject"), handler_config=BROKEN)
    evaluated = checked.evaluate(request({"title": 5}))
    assert failure(evaluated) == ("VALIDATION_ERROR", "validation")
    assert evaluated.refusal is not None
    assert "rmm.alert version 2" in evaluated.refusal.message
    assert "/title" in evaluated.refusal.message
    assert '"id"' in evaluated.refusal.message


def test_in_the_mode_warn_problems_are_said_and_the_request_goes_on() -> None:
    evaluated = plan(validation=validation("warn")).evaluate(request({"title": "Disk"}))
    assert evaluated.fields == {"title": "Disk", "client_id": "Acme"}
    assert evaluated.warnings == ('rmm.alert version 2: the body: "id" is a required property',)


def test_warnings_are_kept_when_the_mapping_fails_afterwards() -> None:
    evaluated = plan(validation=validation("warn"), handler_config=BROKEN).evaluate(request({}))
    assert failure(evaluated) == ("MAPPING_FAILED", "field_mapping.title")
    assert len(evaluated.warnings) == 1


@pytest.mark.parametrize("screened", [{}, {"filters": OPENED}, {"validation": validation("warn")}])
@pytest.mark.parametrize("body", [b"{not json", b"\xff\xfe{}"])
def test_a_body_that_is_not_json_is_said_to_be_none(screened: dict[str, Any], body: bytes) -> None:
    assert failure(plan(**screened).evaluate(request(None, raw=body)))[0] == "INVALID_JSON"


def test_what_the_receiver_marked_as_no_json_is_not_looked_at() -> None:
    assert failure(plan().evaluate(request({"title": "Disk"}, invalid_json=True)))[0] == "INVALID_JSON"


def test_a_form_is_filtered_and_mapped_as_an_object() -> None:
    filters = {"all": [{"field": "$.kind", "operator": "equals", "value": "disk"}]}
    form = "application/x-www-form-urlencoded"
    evaluated = plan(filters=filters).evaluate(request(None, raw=b"kind=disk&title=Full", content_type=form))
    assert evaluated.fields == {"title": "Full", "client_id": "Acme"}


def test_an_expression_of_a_filter_reads_the_bindings_and_the_requests_own_time() -> None:
    expression = (
        "$metadata.site = 'x' and $kafka.offset = 7 and $delivery.idempotency_key = 'a-1' and $query.q = '1'"
        " and $now() = '2025-06-25T11:05:43.488Z'"
    )
    bound = plan(filters={"jsonata": expression}, metadata={"site": "x"})
    assert bound.evaluate(request({"title": "Disk"}, query={"q": "1"})).fields is not None


def test_a_filter_that_cannot_be_decided_fails_the_delivery() -> None:
    undecidable = plan(filters={"any": [{"jsonata": "title + 1"}]})
    assert failure(undecidable.evaluate(request({"title": "x"}))) == ("MAPPING_FAILED", "filters.any.0.jsonata")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"filters": {"all": [{"field": "a", "operator": "like"}]}}, ("MAPPING_FAILED", "filters")),
        (
            {"validation": validation("warn").model_copy(update={"json_schema": {"type": 5}})},
            ("VALIDATION_ERROR", "validation"),
        ),
        ({"handler_config": ActionHandler(action="launch", field_mapping={})}, ("ACTION_UNKNOWN", None)),
        ({"handler_config": WorkflowHandler(workflow_id="w")}, ("WORKFLOW_UNAVAILABLE", None)),
        (
            {"handler_config": ActionHandler(action="createTicket", field_mapping={"title": "("})},
            ("MAPPING_FAILED", None),
        ),
    ],
)
def test_a_configuration_that_cannot_work_fails_its_requests_and_says_why(
    config: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    broken = plan(**config)
    assert failure(broken.evaluate(request({"title": "Disk"}))) == expected
    assert failure(broken.evaluate(request({"title": "Disk"}))) == expected


def test_a_filtered_request_is_filtered_even_where_no_action_could_be_run() -> None:
    absent = plan(filters=CLOSED, handler_config=ActionHandler(action="launch", field_mapping={}))
    assert absent.evaluate(request({})).stopped_by is not None


def test_metadata_is_what_is_fixed_and_what_the_rules_make() -> None:
    mapped = {"title": "alert.title & ' at ' & $metadata.site", "client_id": '"Acme"'}
    enriched = plan(
        metadata={"team": "night"},
        enrichment={"site": "alert.site", "agent": "$client.user_agent.browser", "nothing": "alert.nowhere"},
        handler_config=ActionHandler(action="createTicket", field_mapping=mapped),
    )
    evaluated = enriched.evaluate(request({"alert": {"title": "Disk", "site": "Berlin"}}))
    assert evaluated.metadata == {"team": "night", "site": "Berlin", "agent": None}
    assert evaluated.fields is not None
    assert evaluated.fields["title"] == "Disk at Berlin"
    assert evaluated.warnings == ()


def test_a_rule_that_fails_is_a_warning_and_never_a_failure() -> None:
    broken = plan(metadata={"team": "night"}, enrichment={"bad": "$number(title)", "worse": "a.(", "good": "title"})
    evaluated = broken.evaluate(request({"title": "Disk"}))
    assert evaluated.fields is not None
    assert evaluated.metadata == {"team": "night", "good": "Disk"}
    assert [warning.partition(":")[0] for warning in evaluated.warnings] == ["enrichment.worse", "enrichment.bad"]


def test_metadata_is_bounded() -> None:
    enriched = plan(enrichment={"all": "$", "title": "title"})
    evaluated = enriched.evaluate(request({"title": "Disk", "more": "x" * 20_000}))
    assert evaluated.metadata == {"title": "Disk"}
    assert evaluated.warnings == ("enrichment.all: left out, metadata would be over 16,384 bytes",)


def test_an_event_type_in_a_header_counts_towards_the_bound() -> None:
    auth = PresetAuth(preset="github", secrets=(SealedSecret(sealed="v1.none.none"),))
    of_preset = plan(auth_type="preset", auth_config=auth, metadata={"note": "x" * 16_000}, enrichment={"a": "title"})
    evaluated = of_preset.evaluate(request({"title": "Disk"}, headers={"x-github-event": "y" * 1_000}))
    assert evaluated.metadata == {"note": "x" * 16_000, "a": "Disk"}
    assert evaluated.warnings == ("enrichment.event_type: left out, metadata would be over 16,384 bytes",)


def test_filters_read_what_enrichment_made_and_a_filtered_request_keeps_it() -> None:
    screened = plan(enrichment={"level": "severity"}, filters={"jsonata": "$metadata.level = 'high'"})
    evaluated = screened.evaluate(request({"title": "Disk", "severity": "low"}))
    assert evaluated.stopped_by is not None
    assert evaluated.metadata == {"level": "low"}
    assert screened.evaluate(request({"title": "Disk", "severity": "high"})).fields is not None


@pytest.mark.parametrize(
    ("preset", "own", "found"),
    [
        ("stripe", {}, {"event_type": "invoice.paid"}),
        ("stripe", {"metadata": {"event_type": "mine"}}, {"event_type": "mine"}),
        ("stripe", {"enrichment": {"event_type": "'rule'"}}, {"event_type": "rule"}),
        ("github", {}, {"event_type": "issues"}),
    ],
)
def test_the_event_type_of_a_preset_is_metadata_unless_the_webhook_says_its_own(
    preset: str, own: dict[str, Any], found: dict[str, Any]
) -> None:
    auth = PresetAuth(preset=preset, secrets=(SealedSecret(sealed="v1.none.none"),))
    of_preset = plan(auth_type="preset", auth_config=auth, **own)
    headers = {"x-github-event": "issues"}
    evaluated = of_preset.evaluate(request({"title": "x", "type": "invoice.paid"}, headers=headers))
    assert evaluated.metadata == found


def test_enrichment_is_the_same_on_a_replay() -> None:
    enriched = plan(enrichment={"at": "$now()", "chance": "$random()"})
    first, again = (enriched.evaluate(request({"title": "Disk"})) for _ in range(2))
    assert first.metadata == again.metadata
    assert first.metadata["chance"] > 0


@pytest.mark.parametrize(
    "expression", ["$number(user.password)", "$error(user.email)", "$error($substring(text, 0, 420) & user.email)"]
)
def test_why_a_request_failed_does_not_quote_what_is_masked(expression: str) -> None:
    handler = ActionHandler(action="createTicket", field_mapping={"title": expression, "client_id": "'Acme'"})
    failing = plan(handler_config=handler, redact_paths=("$.user.email",), enrichment={"bad": expression})
    body = {"user": {"password": "letmein-letmein", "email": "someone@example.com"}, "text": "x" * 600}
    evaluated = failing.evaluate(request(body))
    assert evaluated.refusal is not None
    said = evaluated.refusal.message + " ".join(evaluated.warnings)
    assert "***" in said
    assert [quoted for quoted in ("letmein", "someone", "example.com") if quoted in said] == []


def test_why_a_request_failed_quotes_the_rest() -> None:
    handler = ActionHandler(action="createTicket", field_mapping={"title": "$error(word)", "client_id": "'Acme'"})
    evaluated = plan(handler_config=handler).evaluate(request({"word": "plain", "password": "letmein"}))
    assert evaluated.refusal is not None
    assert "plain" in evaluated.refusal.message
