"""A backlog of low-priority requests, and expedited ones that do not wait behind it."""

import itertools
import os
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from infra.clock import now_us
from infra.ids import uuid7_text
from infra.lag import LagReader
from infra.topics import ACTIONS, EXPEDITED, RECEIVED
from processors.host.lane import URGENT_UNDECIDED_MAX
from schemas import headers as record_headers
from schemas.headers import DeliveryHeaders
from schemas.keys import request_key
from schemas.records import DispatchStatus, RequestFacts
from schemas.webhooks import WebhookConfig
from tests.support.line import Line, line
from tests.support.processors import GROUP
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

FIXTURES = (line,)
_DONE_SECONDS_MAX = 2.0
_BETWEEN_SECONDS = 0.4
# A batch of actions in a busy machine may take longer than one sample.
_SAMPLES_STILL_MAX = 3
_MAPPING = {
    "action": "createTicket",
    "field_mapping": {"title": "alert.title", "external_id": "alert.id", "client_id": "'Acme Ltd'"},
}
_SOURCE = {"type": "jsonata", "value": "alert.id"}
_FACTS = RequestFacts(
    method="POST", path="/api/inbound/t/low", source_ip="127.0.0.1", content_type="application/json", ingress_us=1
)


@dataclass
class Watched:
    """What was measured while the backlog lasted."""

    expedited_seconds: list[float] = field(default_factory=list)
    low_tickets: list[tuple[float, int]] = field(default_factory=list)
    waiting_requests: list[int] = field(default_factory=list)
    waiting_actions: list[int] = field(default_factory=list)

    @property
    def low_per_second(self) -> float:
        (first, before), (last, after) = self.low_tickets[0], self.low_tickets[-1]
        return (after - before) / (last - first)

    def __str__(self) -> str:
        seconds = sorted(self.expedited_seconds)
        return (
            f"{len(seconds)} expedited: p50 {statistics.median(seconds):.3f} s, max {seconds[-1]:.3f} s; "
            f"low {self.low_per_second:.0f}/s; waiting before the first of them: {self.waiting_requests[0]} requests, "
            f"{self.waiting_actions[0]} actions; at most {max(self.waiting_actions)} actions"
        )


def _queued(config: WebhookConfig, number: int) -> dict[str, Any]:
    """A request record as the receiver writes it."""
    at_us = now_us()
    delivery_id, alert_id = uuid7_text(at_us), f"low-{config.webhook_id[:8]}-{number}"
    headers = DeliveryHeaders(
        delivery_id,
        config.tenant_id,
        config.webhook_id,
        config.version,
        at_us,
        _FACTS.model_dump_json().encode(),
        alert_id,
        f"00-{delivery_id.replace('-', '')}-00f067aa0ba902b7-01",
    )
    return {
        "key": request_key(config.tenant_id, config.webhook_id, alert_id),
        "value": orjson.dumps({"alert": {"id": alert_id, "title": f"Disk almost full on srv-{number % 50}"}}),
        "headers": record_headers.encode(headers),
    }


def _tickets(line: Line, config: WebhookConfig) -> int:
    sql = "SELECT count(*) AS tickets FROM external_entity_mappings WHERE webhook_id = %s"
    return int(line.base.rows(sql, [config.webhook_id])[0]["tickets"])


def _expedite(line: Line, config: WebhookConfig, number: int) -> float:
    """Seconds from sending one request to its outcome, with its ticket there."""
    began = time.monotonic()
    answer = line.send(config, {"alert": {"id": f"urgent-{config.webhook_id}-{number}", "title": "Server down"}})
    assert answer.status == 200
    delivery = answer.json["delivery_id"]
    eventually(lambda: delivery in line.outcomes.seen, timeout_seconds=60, what="the outcome of an expedited request")
    seconds = line.outcomes.seen[delivery][0][0] - began
    outcome = line.outcomes.of(delivery)
    assert outcome.dispatch_status is DispatchStatus.DISPATCHED
    assert outcome.handler_outcome is not None
    assert line.base.rows("SELECT 1 AS found FROM tickets WHERE id = %s", [outcome.handler_outcome["entity_id"]])
    return seconds


def _run(line: Line, records: int) -> Watched:
    """Queue low-priority requests, then let everything run and send expedited ones until the backlog is gone."""
    low = line.webhook("low", priority=0, idempotency_source=_SOURCE, handler_config=_MAPPING)
    urgent = line.webhook("urgent", priority=3, idempotency_source=_SOURCE, handler_config=_MAPPING)
    line.produce(RECEIVED, [_queued(low, number) for number in range(records)])
    line.workers.start("w0")
    line.start_sink()
    watched = Watched()
    requests = LagReader(line.kafka, GROUP, [RECEIVED])
    actions = LagReader(line.kafka, "hookline-actions", [ACTIONS])
    eventually(lambda: _tickets(line, low) > 0, timeout_seconds=60, what="the first low-priority ticket")
    try:
        for number in range(10_000):
            tickets = _tickets(line, low)
            watched.low_tickets.append((time.monotonic(), tickets))
            if tickets >= records:
                break
            watched.waiting_requests.append(requests.by_topic(timeout_seconds=20)[RECEIVED])
            watched.waiting_actions.append(actions.by_topic(timeout_seconds=20)[ACTIONS])
            watched.expedited_seconds.append(_expedite(line, urgent, number))
            time.sleep(_BETWEEN_SECONDS)
    finally:
        line.stop_all()
        requests.close()
        actions.close()
    print(watched)  # noqa: T201  # for docs/guarantees.md
    return watched


def _assert_nobody_waits(watched: Watched) -> None:
    """Expedited requests take a part of the time in which the last ordinary one is reached, whatever else runs here."""
    assert len(watched.expedited_seconds) >= 3, "the backlog was gone before anything was measured"
    assert max(watched.waiting_requests) > 1_000, "no backlog in the raw topic"
    assert max(watched.waiting_actions) > 1_000, "no backlog in the topic of actions"
    backlog_seconds = watched.low_tickets[-1][0] - watched.low_tickets[0][0]
    assert max(watched.expedited_seconds) < backlog_seconds / 3
    assert statistics.median(watched.expedited_seconds) < backlog_seconds / 10
    counts = [tickets for _, tickets in watched.low_tickets]
    assert all(before < after for before, after in zip(counts, counts[_SAMPLES_STILL_MAX:], strict=False)), counts


@pytest.mark.timeout(300)
def test_an_expedited_request_does_not_wait_while_20_000_others_do_and_these_go_on(line: Line) -> None:
    _assert_nobody_waits(_run(line, 20_000))


@pytest.mark.timeout(300)
def test_processors_full_of_expedited_requests_hand_out_ordinary_ones_all_along(line: Line) -> None:
    low = line.webhook("low", priority=0, idempotency_source=_SOURCE, handler_config=_MAPPING)
    urgent = line.webhook("urgent", priority=2, idempotency_source=_SOURCE, handler_config=_MAPPING)
    line.produce(RECEIVED, [_queued(low, number) for number in range(6_000)])
    line.produce(EXPEDITED, [_queued(urgent, number) for number in range(6_000)])
    line.workers.start("shared", HOOKLINE_PROCESSORS__BATCH_RECORDS_MAX="400")
    requests = LagReader(line.kafka, GROUP, [RECEIVED, EXPEDITED])
    eventually(
        lambda: not any(requests.by_topic(timeout_seconds=20).values()), timeout_seconds=60, what="all to be processed"
    )
    requests.close()
    line.stop_all()
    lanes = _handed_out(line.workers.trace_of("shared"))
    last = len(lanes) - 1 - lanes[::-1].index(EXPEDITED)
    shared = lanes[lanes.index(RECEIVED) : last + 1]
    ordinary = shared.count(RECEIVED) / len(shared)
    assert 0.1 < ordinary < 0.6, f"a share of {ordinary:.2f} in {len(shared)} batches"
    longest = max(len(list(run)) for topic, run in itertools.groupby(shared) if topic == EXPEDITED)
    assert longest <= 2 * URGENT_UNDECIDED_MAX, "ordinary batches waited for more than the queue holds"


def _handed_out(trace: Path) -> list[str]:
    """The topic of each batch that was handed out, in order."""
    [file] = trace.glob("processors-*.jsonl")
    events = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    return [event["topic"] for event in events if event["event"] == "hand_out"]


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_an_expedited_request_is_done_in_two_seconds_while_100_000_others_wait_and_these_go_on(line: Line) -> None:
    watched = _run(line, int(os.environ.get("HOOKLINE_TEST_RECORDS", "100000")))
    _assert_nobody_waits(watched)
    assert max(watched.expedited_seconds) < _DONE_SECONDS_MAX
