"""What the action sink produces, whatever an action answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from unittest.mock import Mock
from uuid import UUID

import pytest

from schemas.records import DispatchStatus
from sinks.actions.execution import Outcome, json_text
from sinks.actions.messages import delivery_message

BEYOND_64_BITS = 2**64 + 1


@pytest.mark.parametrize(
    ("status", "field"), [(DispatchStatus.DISPATCHED, "handler_outcome"), (DispatchStatus.FAILED, "error")]
)
def test_an_outcome_keeps_an_integer_beyond_64_bits(status: DispatchStatus, field: str) -> None:
    request = Mock(
        delivery_id="d",
        tenant_id="t",
        webhook_id="w",
        received_at=1,
        replay_id=None,
        replayed_from=None,
        is_test=False,
        metadata={},
        action="a",
    )
    command = Mock(request=request, trace_id=None, traceparent=None)
    body = {"metadata": {"count": BEYOND_64_BITS}}
    record = json.loads(delivery_message(command, Outcome(status, body), 2, requested_at_us=1_000)["value"])
    assert record[field] == body
    assert (record["dispatch_status"], record["recorded_at"]) == (status.value, 2)
    assert (record["action"], record["action_requested_at"]) == ("a", 1_000)


def test_rows_for_the_database_keep_big_integers_beside_ids_and_times() -> None:
    known, at = UUID(int=7), datetime(2026, 11, 23, tzinfo=UTC)
    text = json_text([{"id": known, "at": at, "body": {"n": 2**70}}])
    assert json.loads(text) == [{"id": str(known), "at": at.isoformat(), "body": {"n": 2**70}}]
    with pytest.raises(TypeError):
        json_text([{"body": {"n": 2**70, "what": object()}}])
