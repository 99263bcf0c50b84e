"""Bodies made to cost much, or to be read in two ways: the same clear outcome at both ends, and little time."""

import time
from typing import Any

import pytest

from infra.actions.registry import load_actions
from infra.enrichment.clients import surroundings_of
from infra.jsonata import Limits
from infra.requests.bindings import PlannedRequest
from infra.requests.plan import Evaluated, RequestPlan, compile_plan
from infra.settings import Settings
from schemas.bodies import JSON_CONTAINERS_MAX, JSON_DEPTH_MAX, BodyError, parse_body
from schemas.records import ErrorCode
from schemas.webhooks import ActionHandler
from tests.support.hostile_bodies import ACCEPTED, LARGE, REFUSED, cpu_seconds_max
from tests.support.requests import webhook_config

pytestmark = pytest.mark.usefixtures("earlier_objects_left_alone")

#: Both of them read the body: the filter as a value, the mapping as text.
FILTERS = {"all": [{"field": "$.title", "operator": "equals", "value": "t"}]}
HANDLER = ActionHandler(action="createTicket", field_mapping={"title": "title", "client_id": "'Acme'"})
FIELDS = {"title": "t", "client_id": "Acme"}


def plan(**config: Any) -> RequestPlan:
    configured = webhook_config(handler_config=HANDLER, handler_type=HANDLER.type, **config)
    return compile_plan(configured, load_actions(), surroundings_of(Settings()), engine="jlens", limits=Limits())


PLAN, UNSCREENED = plan(filters=FILTERS), plan()
COSTLY = {name: body for name, body in REFUSED.items() if len(body) > 1_000_000} | LARGE


def request(body: bytes) -> PlannedRequest:
    """A request that no receiver has judged."""
    return PlannedRequest(
        body=body,
        facts=b'{"content_type":"application/json"}',
        delivery_id="0197a1c2-5d40-7c3e-9b1a-3f0e5d2c1b0a",
        received_at_us=1_750_849_543_488_000,
        dedupe_key=None,
        place=None,
    )


def evaluate(body: bytes) -> Evaluated:
    """What the processors make of it."""
    return PLAN.evaluate(request(body))


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_receiver_refuses_the_processors_refuse(name: str) -> None:
    with pytest.raises(BodyError):
        parse_body(REFUSED[name], None)
    refusal = evaluate(REFUSED[name]).refusal
    assert refusal is not None
    assert refusal.code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_the_receiver_takes_the_processors_take(name: str) -> None:
    body, value = ACCEPTED[name]
    assert parse_body(body, None) == value
    assert evaluate(body).fields == FIELDS


@pytest.mark.parametrize("name", COSTLY)
def test_no_body_of_1_mib_costs_the_processors_50_ms(name: str) -> None:
    costs = []
    for _ in range(3):
        began = time.thread_time()  # not of the process: an engine of earlier tests may still merge
        evaluated = evaluate(COSTLY[name])
        costs.append(time.thread_time() - began)
    assert min(costs) < cpu_seconds_max(), costs
    assert (evaluated.fields == FIELDS) is (name in LARGE)


def test_without_filters_the_outcome_is_the_same() -> None:
    """Expressions skip what they do not read, so what is not nested counts by the receiver's mark."""
    marked = b'{"content_type":"application/json","invalid_json":true}'
    refusals = [UNSCREENED.evaluate(request(body)._replace(facts=marked)).refusal for body in REFUSED.values()]
    refusals += [
        UNSCREENED.evaluate(request(_in_a_member(body))).refusal for body in (b"[" * 200, nested(JSON_DEPTH_MAX))
    ]
    assert {refusal and refusal.code for refusal in refusals} == {ErrorCode.INVALID_JSON}
    accepted = [body for body, _ in ACCEPTED.values()] + [_in_a_member(nested(JSON_DEPTH_MAX - 1))]
    assert all(UNSCREENED.evaluate(request(body)).fields == FIELDS for body in accepted)


def _in_a_member(value: bytes) -> bytes:
    return b'{"title":"t","x":%s}' % value


def nested(depth: int) -> bytes:
    """Objects and arrays inside one another, `depth` of them."""
    pairs, odd = divmod(depth, 2)
    return b'{"a":[' * pairs + b"[" * odd + b"1" + b"]" * odd + b"]}" * pairs


def test_the_depth_is_bounded_to_the_level() -> None:
    for depth in (JSON_DEPTH_MAX - 1, JSON_DEPTH_MAX):
        parse_body(nested(depth), None)
    # The second body has its one deep place behind a thousand shallow ones.
    for body in (nested(JSON_DEPTH_MAX + 1), b"[" + b"[],{}," * 500 + nested(JSON_DEPTH_MAX) + b"]"):
        with pytest.raises(BodyError, match=f"nested deeper than {JSON_DEPTH_MAX} levels"):
            parse_body(body, None)


def test_arrays_and_objects_are_counted_for_each_mebibyte() -> None:
    most = b"[" + b",".join([b"[]"] * (JSON_CONTAINERS_MAX - 1)) + b"]"
    assert len(parse_body(most, None)) == JSON_CONTAINERS_MAX - 1
    more = b"[{}," + most[1:]
    with pytest.raises(BodyError, match=f"more than {JSON_CONTAINERS_MAX} arrays and objects"):
        parse_body(more, None)
    assert len(parse_body(more + b" " * 1_048_576, None)) == JSON_CONTAINERS_MAX


def test_brackets_in_strings_are_not_counted() -> None:
    text = '[{\\"\\\\' * JSON_CONTAINERS_MAX
    assert parse_body(f'{{"log":"{text}","{text}":1}}'.encode(), None)["log"] == '[{"\\' * JSON_CONTAINERS_MAX
