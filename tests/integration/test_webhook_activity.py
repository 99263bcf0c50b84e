"""What webhooks received of late: the hourly counts of the real engine, held to the deliveries themselves."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.ids import uuid7_text
from management.inbound_webhooks.activity import Activity, WebhookActivity
from schemas.headers import Replay
from schemas.records import DispatchStatus, RequestFacts
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Rows, Source
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import FACTS, MadeRecord, outcome_record, request_record

HOUR_US = 3_600_000_000
OUTCOMES = (DispatchStatus.DISPATCHED, DispatchStatus.DUPLICATE, DispatchStatus.FILTERED, DispatchStatus.FAILED)
REPLAY = Replay(replay_id=str(uuid.uuid4()), replay_of=str(uuid.uuid4()), mode="redrive", depth=1)
# The log as it stands, deliveries told apart by their key: what the counts must say.
TRUTH = """
SELECT webhook_id,
    countIf(isNotNull(raw_topic) AND NOT ifNull(invalid_json, false)) AS triggers,
    maxIf(toUnixTimestamp64Micro(received_at), isNotNull(raw_topic) AND NOT ifNull(invalid_json, false)) AS last_us,
    countIf(dispatch_status != 'pending' AND received_at >= now() - INTERVAL 24 HOUR) AS finished,
    countIf(dispatch_status = 'failed' AND received_at >= now() - INTERVAL 24 HOUR) AS failed
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID} AND NOT ifNull(is_test, false) AND isNull(replay_id)
GROUP BY webhook_id
"""


@dataclass
class Written:
    """Inserts as the sink makes them, each range of a partition under its token."""

    clickhouse: ClickHouse
    tenant_id: UUID = field(default_factory=uuid.uuid4)
    webhooks: list[UUID] = field(default_factory=lambda: [uuid.uuid4() for _ in range(4)])
    source: Source = field(default_factory=lambda: Source("topic", uuid.uuid4().hex, 0))
    batches: list[tuple[list[Rows], int]] = field(default_factory=list)

    def request(self, delivery_id: str, received_at: int, **members: Any) -> MadeRecord:
        return request_record(delivery_id, received_at, tenant_id=str(self.tenant_id), **members)

    def outcome(self, delivery_id: str, received_at: int, **members: Any) -> MadeRecord:
        return outcome_record(delivery_id, received_at, tenant_id=str(self.tenant_id), **members)

    def write(self, built: list[Rows]) -> None:
        self.batches.append((built, len(self.batches)))
        self.repeat(-1)

    def repeat(self, index: int) -> None:
        built, offset = self.batches[index]
        BatchWriter(self.clickhouse).write(built, self.source, offset, offset)

    def read(self, webhook_ids: Sequence[UUID] | None = None) -> dict[UUID, Activity]:
        wanted = self.webhooks if webhook_ids is None else webhook_ids
        return WebhookActivity(self.clickhouse).read(self.tenant_id, wanted)

    def truth(self) -> dict[UUID, Activity]:
        found = {webhook_id: Activity(None, 0, None) for webhook_id in self.webhooks}
        for row in self.clickhouse.query(TRUTH, {"tenant_id": str(self.tenant_id)}):
            rate = row["failed"] / row["finished"] if row["finished"] else None
            found[row["webhook_id"]] = Activity(row["last_us"] or None, row["triggers"], rate)
        return found


@pytest.fixture
def written(clickhouse_engine: ClickHouse) -> Written:
    return Written(clickhouse_engine)


def _write_random_traffic(written: Written, seed: int) -> None:
    """Twelve batches over three of the four webhooks: tests, replays, old ones, repeated and late outcomes."""
    chance, now = random.Random(seed), now_us()
    waiting: list[MadeRecord] = []
    invalid = FACTS.model_copy(update={"invalid_json": True})
    for _ in range(12):
        requests: list[MadeRecord] = []
        for _ in range(chance.randrange(20, 60)):
            hours = chance.choice((0.1, 3, 20, 26, 30))
            received_at = now - int(hours * HOUR_US) - chance.randrange(HOUR_US // 2)
            delivery_id = uuid7_text(received_at)
            kind = {"webhook_id": str(chance.choice(written.webhooks[:3])), "is_test": chance.random() < 0.1}
            replay = REPLAY if chance.random() < 0.1 else None
            request = written.request(delivery_id, received_at, replay=replay, **kind)
            requests.append(_with_facts(request, invalid) if chance.random() < 0.1 else request)
            if chance.random() < 0.8:
                status, stage = chance.choice(OUTCOMES), chance.choice(("processors", "actions"))
                replay_id = None if replay is None else replay.replay_id
                outcome = written.outcome(
                    delivery_id, received_at, dispatch_status=status, stage=stage, replay_id=replay_id, **kind
                )
                waiting += [outcome] * chance.choice((1, 1, 2))
        written.write(build_requests(requests, written.source))
        chance.shuffle(waiting)
        recorded, waiting = waiting[: len(waiting) // 2], waiting[len(waiting) // 2 :]
        written.write(build_outcomes(recorded, written.source))
    written.write(build_outcomes(waiting, written.source))


def _with_facts(record: MadeRecord, facts: RequestFacts) -> MadeRecord:
    headers = [
        (name, facts.model_dump_json().encode() if name == "hookline-request" else value)
        for name, value in record.made_headers
    ]
    return MadeRecord(record.made_key, record.made_value, headers)


@pytest.mark.parametrize("seed", range(3))
def test_the_counts_equal_those_of_the_deliveries_before_and_after_merges(written: Written, seed: int) -> None:
    _write_random_traffic(written, seed)
    truth = written.truth()
    assert truth[written.webhooks[0]].error_rate not in (None, 0.0, 1.0)
    assert written.read() == truth
    for table in ("webhook_activity", "webhook_totals", "deliveries"):
        written.clickhouse.execute(f"OPTIMIZE TABLE {table} FINAL")
    assert written.read() == truth


def test_a_batch_that_is_inserted_again_counts_once(written: Written) -> None:
    _write_random_traffic(written, 7)
    once = written.read()
    for index in range(len(written.batches)):
        written.repeat(index)
    assert written.read() == once == written.truth()


def test_what_a_failed_insert_left_out_of_the_counts_is_made_up_by_its_repetition(written: Written) -> None:
    """The rows may be in `deliveries` and not yet in the counts: the token of the one must not hide the other."""
    now = now_us()
    built = build_requests([written.request(uuid7_text(now), now, webhook_id=str(written.webhooks[0]))], written.source)
    written.clickhouse.execute("DETACH TABLE webhook_activity_feed")
    try:
        written.write(built)
    finally:
        written.clickhouse.execute("ATTACH TABLE webhook_activity_feed")
    assert written.read()[written.webhooks[0]] == Activity(None, 0, None)
    written.repeat(0)
    assert written.read()[written.webhooks[0]] == Activity(now, 1, None)


def test_a_webhook_of_another_tenant_shows_nothing(written: Written) -> None:
    _write_random_traffic(written, 9)
    stranger = Written(written.clickhouse)
    nothing = Activity(None, 0, None)
    assert stranger.read(written.webhooks) == dict.fromkeys(written.webhooks, nothing)
    assert written.read([]) == {}
    assert written.read()[written.webhooks[3]] == nothing
