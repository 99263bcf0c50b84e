"""The ClickHouse sink on a real broker and the real engine: every record becomes its row once, whatever dies."""

import json
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr

from hookline.embedded.kafka import KafkaBroker
from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.errors import KafkaUnavailableError
from infra.kafka import admin_client, consumer_properties
from infra.lag import LagReader
from infra.settings import ClickHouseSettings, Settings
from infra.topics import RECEIVED, topic_incarnations
from schemas.records import DeliveryError, DispatchStatus, ErrorCode
from sinks.clickhouse.core.batches import Plan
from sinks.clickhouse.role import SUBSCRIPTIONS, AnalyticsRole
from tests.support.analytics import (
    TRACEPARENT,
    AnalyticsProcess,
    Records,
    analytics_settings,
    begin_at_the_end,
    delivery_ids,
    make_topics,
)
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

DRAIN_SECONDS = 180


class Sink:
    """The role in this process, with its ClickHouse."""

    def __init__(self, settings: Settings, clickhouse: ClickHouse) -> None:
        self.settings = settings
        self.clickhouse = clickhouse
        self.role = AnalyticsRole(settings, clickhouse)
        self.records = Records(settings)

    def drain(self) -> None:
        """Wait until everything produced is committed."""
        self.records.flush()
        await_committed(self.settings)


@pytest.fixture(scope="module")
def clickhouse(clickhouse_engine: ClickHouse) -> ClickHouse:
    """The session's engine."""
    return clickhouse_engine


@pytest.fixture
def sink(kafka: KafkaBroker, clickhouse: ClickHouse) -> Iterator[Sink]:
    settings = analytics_settings(kafka.bootstrap, ClickHouseSettings(path=Path("/unused")), group_id=_name())
    make_topics(settings)
    running = Sink(settings, clickhouse)
    running.role.start()
    yield running
    running.role.stop(20)


def _name() -> str:
    return f"analytics-{uuid.uuid4().hex[:8]}"


def _delivery(clickhouse: ClickHouse, delivery_id: str) -> dict[str, object]:
    sql = (
        "SELECT *, dispatch_status, handler_outcome, error_code, error_message, duplicate_of, attempts, webhook_slug, "
        "response_status FROM deliveries FINAL WHERE delivery_id = {id:UUID}"
    )
    [row] = clickhouse.query(sql, {"id": delivery_id})
    return row


def test_request_and_outcome_make_one_row_in_either_order(sink: Sink) -> None:
    now = now_us()
    request_first, outcome_first = delivery_ids(2, now)
    sink.records.request(request_first, now, b'{"id": 7}', dedupe_key="alert-7", config_version=3)
    sink.records.outcome(outcome_first, now, handler_outcome={"ticket_id": "t-1"})
    sink.drain()
    sink.records.outcome(request_first, now, handler_outcome={"ticket_id": "t-1"})
    sink.records.request(outcome_first, now, b'{"id": 7}', dedupe_key="alert-7", config_version=3)
    sink.drain()
    for delivery_id in (request_first, outcome_first):
        row = _delivery(sink.clickhouse, delivery_id)
        assert row["dispatch_status"] == "dispatched"
        assert row["handler_outcome"] == '{"ticket_id":"t-1"}'
        assert (row["body"], row["body_bytes"], row["body_head"]) == ('{"id": 7}', 9, '{"id": 7}')
        assert (row["idempotency_key"], row["config_version"]) == ("alert-7", 3)
        assert (row["webhook_slug"], row["response_status"]) == ("rmm-alerts", 200)
        assert row["trace_id"] == TRACEPARENT.split("-")[1]


def test_what_handled_a_delivery_goes_before_a_later_repeat_of_what_processed_it(sink: Sink) -> None:
    now = now_us()
    handled_last, repeated_last = delivery_ids(2, now)
    failure = DeliveryError(code=ErrorCode.LOOKUP_MISS, message="no ticket 9", path="field_mapping.ticket_id")
    for delivery_id in (handled_last, repeated_last):
        sink.records.request(delivery_id, now)
        sink.records.outcome(delivery_id, now)
        sink.drain()
        sink.records.outcome(
            delivery_id, now, stage="actions", dispatch_status=DispatchStatus.FAILED, error=failure, attempts=3
        )
        sink.drain()
    sink.records.outcome(repeated_last, now, recorded_at=now + 9_000_000)
    sink.drain()
    for optimized in (False, True):
        if optimized:
            sink.clickhouse.execute("OPTIMIZE TABLE deliveries FINAL")
        for delivery_id in (handled_last, repeated_last):
            row = _delivery(sink.clickhouse, delivery_id)
            assert (row["dispatch_status"], row["error_code"], row["attempts"]) == ("failed", "LOOKUP_MISS", 3)
            assert row["error_message"] == "no ticket 9"


def test_an_outcome_of_success_leaves_no_error_of_an_earlier_attempt(sink: Sink) -> None:
    now = now_us()
    [delivery_id] = delivery_ids(1, now)
    failure = DeliveryError(code=ErrorCode.TIMEOUT, message="too slow")
    sink.records.outcome(
        delivery_id, now, stage="actions", dispatch_status=DispatchStatus.FAILED, error=failure, attempts=1
    )
    sink.drain()
    sink.records.outcome(delivery_id, now, stage="actions", attempts=2)
    sink.drain()
    row = _delivery(sink.clickhouse, delivery_id)
    assert (row["dispatch_status"], row["error_code"], row["error_message"]) == ("dispatched", "", "")


def test_records_that_break_the_contract_are_kept_and_stop_nothing(sink: Sink) -> None:
    now = now_us()
    [good] = delivery_ids(1, now)
    bodies = [f"broken-{number}-{good}".encode() for number in range(6)]
    sink.records.raw(RECEIVED, bodies[0])
    sink.records.raw(RECEIVED, bodies[1], record_headers=[("hookline-delivery-id", b"\xff\xfe")])
    sink.records.request("0192f0c0-0000-7000-8000-0000000000ab", now, bodies[2], tenant_id="not-a-uuid")
    sink.records.request("0192f0c0-0000-7000-8000-0000000000ab", 5, bodies[3])
    sink.records.request("0192f0c0-0000-7000-8000-0000000000ab", now, bodies[4], config_version=-1)
    sink.records.request("0192f0c0-0000-7000-8000-0000000000ab", now, bodies[5], config_version=10**40)
    sink.records.request(good, now, dedupe_key="lone \ud800 surrogate")
    sink.drain()
    assert _delivery(sink.clickhouse, good)["raw_topic"] == RECEIVED
    kept = sink.clickhouse.query(
        "SELECT value, error FROM undecodable_records FINAL WHERE endsWith(value, {id:String})", {"id": good}
    )
    assert {row["value"].encode() for row in kept} == set(bodies)
    assert all(row["error"] for row in kept)


def test_a_token_without_rows_is_noticed_after_a_restart_and_the_rows_are_written(
    kafka: KafkaBroker, clickhouse: ClickHouse
) -> None:
    """ClickHouse notes a token before its part is visible: killed in between, it would swallow the repeat."""
    settings = analytics_settings(kafka.bootstrap, ClickHouseSettings(path=Path("/unused")), group_id=_name())
    make_topics(settings)
    prepared = Sink(settings, clickhouse)
    now = now_us()
    ids = delivery_ids(40, now)
    for delivery_id in ids:
        prepared.records.request(delivery_id, now)
    prepared.records.flush()
    _plan_everything_and_burn_the_tokens(settings, clickhouse)
    prepared.role.start()
    prepared.drain()
    prepared.role.stop(20)
    found = clickhouse.query(
        "SELECT delivery_id, count() AS rows FROM deliveries WHERE received_at = "
        "fromUnixTimestamp64Micro({at:Int64}) GROUP BY delivery_id",
        {"at": now},
    )
    assert {str(row["delivery_id"]) for row in found} == set(ids)
    assert {row["rows"] for row in found} == {1}


def _plan_everything_and_burn_the_tokens(settings: Settings, clickhouse: ClickHouse) -> None:
    """Leave Kafka and ClickHouse as a process would that died between the token and the part."""
    incarnation = topic_incarnations(admin_client(settings.kafka, "test"), [RECEIVED])[RECEIVED]
    group_id = f"{settings.analytics.group_id}-requests"
    consumer = Consumer(consumer_properties(settings.kafka, "test", group_id))
    at = pa.array([now_us() - 3_000_000_000], pa.int64()).cast(pa.timestamp("us", "UTC"))
    for partition in range(settings.kafka.request_partitions):
        low, high = consumer.get_watermark_offsets(TopicPartition(RECEIVED, partition), 10)
        if high == low:
            continue
        metadata = Plan(low, high - 1).encode(incarnation)
        consumer.commit(offsets=[TopicPartition(RECEIVED, partition, low, metadata=metadata)], asynchronous=False)
        token = f"{incarnation}:{RECEIVED}:{partition}:{low}:{high - 1}"
        nil = pa.array([str(uuid.UUID(int=0))])
        stray = pa.table({"tenant_id": nil, "webhook_id": nil, "delivery_id": nil, "received_at": at})
        clickhouse.insert("deliveries", stray, deduplication_token=token)
    consumer.close()


class _RefusingThenForwarding(BaseHTTPRequestHandler):
    """Answers as an overloaded ClickHouse does."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b"Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)"
        self.send_response(500)
        self.send_header("X-ClickHouse-Exception-Code", "202")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_: object) -> None: ...


def test_a_server_that_is_away_is_named_and_waited_for(kafka: KafkaBroker) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _RefusingThenForwarding, bind_and_activate=False)
    server.server_bind()  # nobody else gets its port, and until it listens whoever connects is refused
    dsn = SecretStr(f"clickhouse://default:geheim@127.0.0.1:{server.server_port}/default")
    settings = analytics_settings(kafka.bootstrap, ClickHouseSettings(dsn=dsn), group_id=_name())
    make_topics(settings)
    away = ClickHouse(settings.clickhouse)
    running = Sink(settings, away)
    now = now_us()
    running.records.request(delivery_ids(1, now)[0], now)
    running.records.flush()
    running.role.start()
    try:
        eventually(lambda: "Connection refused" in _reasons(running), timeout_seconds=60, what="the refusal is named")
        server.server_activate()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        eventually(lambda: "SIMULTANEOUS" in _reasons(running), timeout_seconds=30, what="the overload is named")
        assert not running.role.health().ready
        assert "geheim" not in _reasons(running)
        server.shutdown()
        server.server_close()
    finally:
        began = time.monotonic()
        running.role.stop(20)
    assert time.monotonic() - began < 15


def _reasons(running: Sink) -> str:
    return " ".join(running.role.health().reasons)


def test_a_table_that_is_missing_is_waited_for_and_then_filled_without_duplicates(
    kafka: KafkaBroker, clickhouse: ClickHouse
) -> None:
    settings = analytics_settings(kafka.bootstrap, ClickHouseSettings(path=Path("/unused")), group_id=_name())
    make_topics(settings)
    clickhouse.execute("RENAME TABLE deliveries TO deliveries_away")
    running = Sink(settings, clickhouse)
    now = now_us()
    ids = delivery_ids(500, now)
    for delivery_id in ids:
        running.records.request(delivery_id, now)
        running.records.outcome(delivery_id, now)
    running.records.flush()
    running.role.start()
    try:
        eventually(lambda: "requests: ClickHouse" in _reasons(running), timeout_seconds=60, what="requests wait")
        eventually(lambda: "outcomes: ClickHouse" in _reasons(running), timeout_seconds=60, what="outcomes wait")
        clickhouse.execute("RENAME TABLE deliveries_away TO deliveries")
        running.drain()
    finally:
        running.role.stop(20)
    [row] = clickhouse.query(
        "SELECT uniqExact(delivery_id) AS ids, countIf(raw_offset IS NOT NULL) AS requests, "
        "countIf(processed_status IS NOT NULL) AS outcomes FROM deliveries "
        "WHERE received_at = fromUnixTimestamp64Micro({at:Int64})",
        {"at": now},
    )
    assert row == {"ids": 500, "requests": 500, "outcomes": 500}


#: Each costs a session timeout, so the many are for the soak runs.
KILLS, KILLS_SOAK = 2, 10
INSERTED, REPLAYED = "analytics.batch.inserted", '"replayed": true'
KILL_RECORDS, ROUNDS_MAX = 40_000, 4


def lines_of(log: Path, containing: str) -> int:
    """How many lines of a log contain a text."""
    return sum(containing in line for line in log.read_text().splitlines()) if log.exists() else 0


def kill_while_it_inserts(settings: Settings, log: Path, after_seconds: float) -> None:
    """Start the sink and kill it so long after its first insert."""
    inserted_before = lines_of(log, INSERTED)
    process = AnalyticsProcess(settings, log)
    eventually(lambda: lines_of(log, INSERTED) > inserted_before, timeout_seconds=120, what="it inserts")
    time.sleep(after_seconds)  # the moment of the kill is the input, nothing is waited for
    process.kill()


@pytest.mark.parametrize(
    ("seed", "kills"),
    [(11, KILLS), *(pytest.param(seed, KILLS_SOAK, marks=pytest.mark.soak) for seed in range(20, 30))],
)
def test_killed_again_and_again_in_the_middle_every_record_has_its_row_once(
    kafka: KafkaBroker, tmp_path: Path, seed: int, kills: int
) -> None:
    """SIGKILL at seeded moments while records flow; then counted, before and after a merge of everything."""
    moments = random.Random(seed)
    folder = ClickHouseSettings(path=tmp_path / "clickhouse")
    settings = analytics_settings(kafka.bootstrap, folder, group_id=_name(), batch_records_max=300)
    make_topics(settings)
    begin_at_the_end(settings)
    records = Records(settings)
    now, made = now_us(), 0
    log = tmp_path / "sink.log"
    # A kill may fall between the commit of a batch and the plan of the next one: then nothing was shown, and more die.
    while lines_of(log, REPLAYED) == 0:
        assert made < ROUNDS_MAX * KILL_RECORDS, "no kill fell between a plan and its commit: the test showed nothing"
        for _ in range(kills):
            for delivery_id in delivery_ids(KILL_RECORDS // kills, now):
                records.request(delivery_id, now)
                records.outcome(delivery_id, now)
            records.flush()
            kill_while_it_inserts(settings, log, moments.random() * 0.5)
        made += KILL_RECORDS
        final = AnalyticsProcess(settings, log)
        await_committed(settings)
        assert final.stop() == 0
    counts = _count_in_a_process(settings, now)
    assert counts["requests"] == counts["unique_offsets"] == counts["ids"] == made
    assert counts["outcomes"] == counts["outcome_offsets"] == made
    assert counts["merged"] == counts["merged_dispatched"] == made
    assert counts["rolled_up"] == [{"found": made, "dispatched": made}] * 2


def await_committed(settings: Settings) -> None:
    """Wait until the sink has committed all there is."""
    readers = [
        LagReader(settings.kafka, subscription.group_id(settings.analytics), subscription.topics)
        for subscription in SUBSCRIPTIONS
    ]

    def drained() -> bool:
        try:
            return not any(sum(reader.by_topic(timeout_seconds=10).values()) for reader in readers)
        except KafkaUnavailableError:  # a group that is used for the first time has no coordinator for a moment
            return False

    eventually(drained, timeout_seconds=DRAIN_SECONDS, what="everything is committed")
    for reader in readers:
        reader.close()


COUNT = """
import json, sys
from infra.clickhouse import ClickHouse
from infra.settings import ClickHouseSettings, SlaSettings
from sinks.clickhouse.rollups import Rollups
engine = ClickHouse(ClickHouseSettings(path=sys.argv[1]))
where = "WHERE received_at = fromUnixTimestamp64Micro({at:Int64})"
at = {"at": int(sys.argv[2])}
rollups = Rollups(engine, SlaSettings())
while rollups.count_marked(sweep=True):
    pass
rolled_up = [
    engine.query(f"SELECT sum(deliveries) AS found, sum(dispatched) AS dispatched FROM delivery_{span}s FINAL")[0]
    for span in ("minute", "hour")
]
counted = engine.query(
    "SELECT countIf(raw_offset IS NOT NULL) AS requests, countIf(processed_offset IS NOT NULL) AS outcomes,"
    "uniqExactIf((raw_topic, raw_partition, raw_offset), raw_offset IS NOT NULL) AS unique_offsets,"
    "uniqExactIf((processed_partition, processed_offset), processed_offset IS NOT NULL) AS outcome_offsets,"
    f"uniqExact(delivery_id) AS ids FROM deliveries FINAL {where}", at)[0]
unmerged = engine.query(f"SELECT countIf(raw_offset IS NOT NULL) AS requests FROM deliveries {where}", at)[0]
engine.execute("OPTIMIZE TABLE deliveries FINAL")
merged = engine.query(
    f"SELECT count() AS merged, countIf(dispatch_status = 'dispatched') AS merged_dispatched FROM deliveries {where}",
    at)[0]
print(json.dumps({**counted, **merged, "requests": unmerged["requests"], "rolled_up": rolled_up}))
engine.close()
"""


def _count_in_a_process(settings: Settings, at: int) -> dict[str, Any]:
    """Counted elsewhere: this process has an engine on another folder already."""
    command = [sys.executable, "-c", COUNT, str(settings.clickhouse.path), str(at)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts
