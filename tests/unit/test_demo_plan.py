"""The demonstration's plan, its mapping, and the balance that must not be fooled."""

import json
from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from hookline.demo.alerts import SHAPES, sample
from hookline.demo.balance import draw_balance, percentile
from hookline.demo.evidence import Evidence
from hookline.demo.plan import Kind, PlannedRequest, build_plan, expected_tickets
from hookline.demo.traffic import SentRequest
from hookline.demo_webhook import FIELD_MAPPING
from infra.jsonata import ENGINES, Limits
from infra.requests.errors import RecordRefusedError
from infra.requests.mapping import FieldMapping
from schemas.records import ErrorCode

SECONDS = 1_760_000_000
PLAN = build_plan(7, SECONDS)


def test_a_plan_is_a_thousand_requests_with_the_promised_shares() -> None:
    assert Counter(request.kind for request in PLAN) == {
        Kind.NEW: 880,
        Kind.REPEAT: 100,
        Kind.UNMAPPABLE: 10,
        Kind.WRONG_SIGNATURE: 10,
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert build_plan(7, SECONDS) == PLAN
    assert build_plan(8, SECONDS) != PLAN


def test_no_two_requests_share_an_alert_but_a_repeat_and_its_original_before_it() -> None:
    seen: dict[str, PlannedRequest] = {}
    for request in PLAN:
        if request.kind is Kind.REPEAT:
            assert seen[request.alert_id].body == request.body
        else:
            assert request.alert_id not in seen
            seen[request.alert_id] = request


def test_every_senders_shape_is_sent() -> None:
    senders = {json.loads(request.body)["sender"] for request in PLAN if request.kind is Kind.NEW}
    assert senders == set(SHAPES)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", SHAPES)
def test_one_mapping_understands_every_shape(shape: str, engine: str) -> None:
    mapping = FieldMapping(FIELD_MAPPING, engine=engine, limits=Limits(timeout_seconds=5))
    body = sample(shape, Random(3), SECONDS).decode()
    fields = json.loads(mapping.evaluate(body, None, now_ms=0, seed=0))
    alert_id = str(json.loads(body)["alert"]["id"])
    assert fields["external_id"] == alert_id
    assert fields["title"].startswith("ACME-")
    assert ": " in fields["title"]
    assert fields["priority_id"] in {"Low", "Medium", "High", "Critical"}
    assert fields["client_id"] == "Acme Ltd"
    assert "Measured: " in fields["description"]
    assert fields["attributes"]["sender"] == shape


def test_an_unmappable_alert_fails_with_the_field_at_fault() -> None:
    mapping = FieldMapping(FIELD_MAPPING, engine="jlens", limits=Limits(timeout_seconds=5))
    for request in PLAN:
        if request.kind is Kind.UNMAPPABLE:
            with pytest.raises(RecordRefusedError) as refusal:
                mapping.evaluate(request.body.decode(), None, now_ms=0, seed=0)
            assert refusal.value.code is ErrorCode.MAPPING_FAILED
            assert refusal.value.path == "field_mapping.description"


def _sent() -> list[SentRequest]:
    return [
        SentRequest(request, 401 if request.kind is Kind.WRONG_SIGNATURE else 200, f"d{position}", 0.001)
        for position, request in enumerate(PLAN)
    ]


def _evidence(sent: list[SentRequest]) -> Evidence:
    return Evidence(
        deliveries={"dispatched": 880, "duplicate": 100, "failed": 10},
        delivery_ids=[str(entry.delivery_id) for entry in sent if entry.status == 200],
        rejections=10,
        ticket_ids=sorted(expected_tickets(PLAN)),
        ticket_milliseconds=[],
        examples=[],
    )


def test_what_agrees_balances() -> None:
    sent = _sent()
    balance = draw_balance(sent, _evidence(sent))
    assert balance.agrees
    assert sum(line.sent for line in balance.lines) == sum(line.ended for line in balance.lines) == 1_000


def test_a_ticket_made_twice_in_place_of_another_is_found_though_the_counts_are_right() -> None:
    sent = _sent()
    evidence = _evidence(sent)
    twice = [*evidence.ticket_ids[1:], evidence.ticket_ids[1]]
    balance = draw_balance(sent, replace(evidence, ticket_ids=twice))
    assert not balance.agrees
    assert "1 alerts without a ticket" in balance.faults
    assert "1 alerts with more than one ticket" in balance.faults


@pytest.mark.parametrize(
    "changes",
    [
        {"deliveries": {"dispatched": 879, "duplicate": 100, "failed": 10, "pending": 1}},
        {"deliveries": {"dispatched": 881, "duplicate": 99, "failed": 10}},
        {"rejections": 9},
        {"ticket_ids": []},
        {"delivery_ids": ["d0"]},
    ],
)
def test_any_other_difference_is_found(changes: dict[str, object]) -> None:
    sent = _sent()
    assert not draw_balance(sent, replace(_evidence(sent), **changes)).agrees  # type: ignore[arg-type]


def test_a_ticket_for_a_request_with_a_wrong_signature_is_found() -> None:
    sent = _sent()
    evidence = _evidence(sent)
    forged = next(request.alert_id for request in PLAN if request.kind is Kind.WRONG_SIGNATURE)
    balance = draw_balance(sent, replace(evidence, ticket_ids=[*evidence.ticket_ids, forged]))
    assert "1 tickets that no new alert asked for" in balance.faults


def test_an_answer_of_the_wrong_status_is_found() -> None:
    sent = _sent()
    evidence = _evidence(sent)
    position = next(index for index, entry in enumerate(sent) if entry.planned.kind is Kind.WRONG_SIGNATURE)
    sent[position] = replace(sent[position], status=200)
    assert not draw_balance(sent, evidence).agrees


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.001, 1.0)])
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], share) == expected


def test_a_percentile_of_nothing_is_zero() -> None:
    assert percentile([], 0.5) == 0.0
