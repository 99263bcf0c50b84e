"""The log as readers see it while it is written, repeated, completed, replayed and merged: each delivery, once."""

from __future__ import annotations

import random
import statistics
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from infra.clickhouse import ClickHouse, Row
from infra.clock import MICROSECONDS, now_us
from infra.errors import ClickHouseRefusedError
from infra.postgres import Pool
from infra.queries import load_queries, put_together
from management.deliveries import conditions as delivery_conditions
from management.deliveries.conditions import conditions_of
from management.deliveries.filters import DeliveryFilter
from management.deliveries.repository import DeliveryRepository
from management.log_pages import LogPageMeta
from schemas.headers import Replay
from schemas.records import DispatchStatus
from tests.support.analytics import BODY
from tests.support.log_writing import LogWriter
from tests.support.wait import eventually

QUERIES = load_queries(Path(delivery_conditions.__file__).parent / "queries.sql")
PER_PAGE = 100
PAGES_MAX = 1_000
DELIVERIES = 120
WALKS = 2
JOIN_SECONDS_MAX = 60
#: Reads beside merges and reads alone share two CPUs with everything else that runs: a read that waited for the end
#: of a merge, and of the one that follows it at once, would never come back.
RATIO_MAX = 25
ROUNDS_MAX = 4
PARTS_MIN = 12
#: So often that more rows fit than a search takes for candidates of its page.
REPEATS = 20
_RAW_ROWS = "SELECT count() AS rows FROM deliveries WHERE tenant_id = {tenant_id:UUID}"
_PARTS = "SELECT uniqExact(_part) AS parts FROM deliveries WHERE tenant_id = {tenant_id:UUID}"
_EXPIRE = """
ALTER TABLE deliveries UPDATE body = NULL
WHERE tenant_id = {tenant_id:UUID} AND delivery_id IN {ids:Array(UUID)} SETTINGS mutations_sync = 1
"""


class Reader:
    """What the API reads, of one writer's tenant."""

    def __init__(self, writer: LogWriter, pool: Pool) -> None:
        self._repository = DeliveryRepository(writer.clickhouse, pool)
        self._writer = writer

    def walk(self, until_us: int) -> list[str]:
        """The ids on every page, by number, of what was received before `until_us`, newest first."""
        found: list[str] = []
        for page in range(1, PAGES_MAX):
            rows, _ = self._page(until_us, page=page)
            found += [str(row["delivery_id"]) for row in rows]
            if len(rows) < PER_PAGE:
                return found
        raise AssertionError("the pages have no end")

    def follow(self, per_page: int = PER_PAGE, **filters: Any) -> list[str]:
        """The ids on every page from cursor to cursor, newest first; new deliveries come before the first page."""
        found: list[str] = []
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            wanted = DeliveryFilter(per_page=per_page, cursor=cursor, **filters)
            rows, meta = self._repository.page(self._writer.tenant_id, wanted)
            found += [str(row["delivery_id"]) for row in rows]
            cursor = meta.next_cursor
            if cursor is None:
                return found
        raise AssertionError("the cursors have no end")

    def count(self, until_us: int) -> int:
        return self._page(until_us, per_page=1)[1].total

    def search(self, text: str, per_page: int) -> list[str]:
        """The ids of deliveries with `text` in their bodies, from cursor to cursor, newest first."""
        return self.follow(per_page, webhook_id=[self._writer.webhook_id], body_contains=text)

    def by_key(self, delivery_id: str, status: DispatchStatus) -> list[str]:
        """The ids of deliveries with this one's idempotency key and a status."""
        wanted = DeliveryFilter(idempotency_key=f"key-{delivery_id}", dispatch_status=[status])
        return [str(row["delivery_id"]) for row in self._repository.page(self._writer.tenant_id, wanted)[0]]

    def status(self, delivery_id: str) -> str:
        row = self._repository.get(self._writer.tenant_id, UUID(delivery_id), None)
        assert row is not None, f"{delivery_id} is written and not found"
        return str(row["dispatch_status"])

    def _page(self, until_us: int, page: int = 1, per_page: int = PER_PAGE) -> tuple[Sequence[Row], LogPageMeta]:
        until = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=until_us)
        wanted = DeliveryFilter(page=page, per_page=per_page, until=until)
        return self._repository.page(self._writer.tenant_id, wanted)


@pytest.fixture
def writer(clickhouse_engine: ClickHouse) -> LogWriter:
    return LogWriter(clickhouse_engine, began_us=now_us() - 600 * MICROSECONDS, chance=random.Random(7))


@pytest.fixture
def reader(writer: LogWriter) -> Reader:
    return Reader(writer, Pool(open=False))  # these reads are of ClickHouse alone


@contextmanager
def running(*loops: threading.Thread, stopping: threading.Event) -> Iterator[None]:
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        stopping.set()
        for loop in loops:
            loop.join(JOIN_SECONDS_MAX)
        assert not any(loop.is_alive() for loop in loops)


def merging(clickhouse: ClickHouse, stopping: threading.Event) -> threading.Thread:
    def merge() -> None:
        while not stopping.is_set():
            clickhouse.execute("OPTIMIZE TABLE deliveries FINAL")

    return threading.Thread(target=merge, name="merging")


@contextmanager
def merges_stopped(clickhouse: ClickHouse) -> Iterator[None]:
    clickhouse.execute("SYSTEM STOP MERGES deliveries")
    try:
        yield
    finally:
        clickhouse.execute("SYSTEM START MERGES deliveries")


def test_a_walk_and_a_count_show_each_delivery_once_at_every_moment(writer: LogWriter, reader: Reader) -> None:
    """While batches are written, redelivered, completed, replayed and merged, nothing is missing or there twice."""
    for _ in range(DELIVERIES // 20):
        writer.write_requests(20)
    stopping = threading.Event()
    writing = threading.Thread(target=writer.write_until, args=(stopping,), name="writing")
    seen: list[int] = []
    with running(writing, merging(writer.clickhouse, stopping), stopping=stopping):
        for _ in range(WALKS):
            written = writer.batches[-1].until_us
            expected = {one for batch in writer.batches if batch.until_us <= written for one in batch.delivery_ids}
            assert reader.count(written) == len(expected)
            by_number, by_cursor = reader.walk(written), reader.follow()
            assert len(by_number) == len(expected)
            assert set(by_number) == expected
            assert len(by_cursor) == len(set(by_cursor)), "a delivery is there twice"
            assert expected <= set(by_cursor)
            counted = reader.count(_end_of_time(writer))
            assert len(expected) <= counted <= writer.begun
            seen.append(counted)
    assert seen == sorted(seen), "a count went back"
    assert reader.count(_end_of_time(writer)) == len(writer.delivery_ids) == writer.begun


def test_a_delivery_is_found_at_every_moment_and_its_status_never_goes_back(writer: LogWriter, reader: Reader) -> None:
    batch = writer.write_requests(20)
    delivery_id, stopping = batch.delivery_ids[3], threading.Event()
    order = ["pending", "filtered", "dispatched"]
    seen: list[int] = []

    def look() -> None:
        while not stopping.is_set():
            seen.append(order.index(reader.status(delivery_id)))

    looking = threading.Thread(target=look, name="looking")
    with running(looking, merging(writer.clickhouse, stopping), stopping=stopping):
        _await_look(seen)
        writer.complete(batch)
        writer.write_outcomes(batch, "processors", DispatchStatus.FILTERED)
        _await_look(seen)
        writer.redeliver(batch)
        writer.write_outcomes(batch, "actions", DispatchStatus.DISPATCHED)
        writer.complete(batch)
        writer.write_outcomes(batch, "processors", DispatchStatus.FILTERED)
        _await_look(seen)
    assert seen == sorted(seen)
    assert seen[0] == order.index("pending")
    assert reader.status(delivery_id) == "dispatched"


def test_the_same_batch_again_adds_no_row_and_a_completed_one_adds_rows_and_no_delivery(
    writer: LogWriter, reader: Reader
) -> None:
    with merges_stopped(writer.clickhouse):
        batch = writer.write_requests(40)
        writer.redeliver(batch)
        assert _number(writer, _RAW_ROWS) == 40
        writer.complete(batch)
        writer.write_outcomes(batch, "actions", DispatchStatus.DISPATCHED)
        assert _number(writer, _RAW_ROWS) == 40 + 20 + 40
        assert sorted(reader.walk(batch.until_us)) == sorted(batch.delivery_ids)
        assert reader.count(batch.until_us) == 40


def test_a_search_in_bodies_shows_each_delivery_once_however_often_its_request_was_written(
    writer: LogWriter, reader: Reader
) -> None:
    with merges_stopped(writer.clickhouse):
        batch = writer.write_requests(12)
        writer.write_outcomes(batch, "actions", DispatchStatus.DISPATCHED)
        for _ in range(REPEATS):
            writer.complete(batch)
        assert _number(writer, _RAW_ROWS) == 24 + 6 * REPEATS
        for per_page in (2, 5, 12):
            found = reader.search(BODY.decode(), per_page)
            assert (len(found), set(found)) == (12, set(batch.delivery_ids))
        assert reader.search("nothing of that", 5) == []


def test_a_replay_is_a_delivery_of_its_own_beside_its_origin(writer: LogWriter, reader: Reader) -> None:
    origins = writer.write_requests(20)
    replay = Replay(str(uuid.uuid4()), origins.delivery_ids[0], mode="redrive", depth=1)
    replays = writer.write_requests(20, replay=replay)
    writer.redeliver(replays)
    writer.complete(replays)
    writer.write_outcomes(replays, "actions", DispatchStatus.DISPATCHED)
    assert reader.count(replays.until_us) == 40
    assert set(reader.walk(replays.until_us)) == {*origins.delivery_ids, *replays.delivery_ids}
    assert reader.status(origins.delivery_ids[0]) == "pending"


def test_reads_need_no_merge(writer: LogWriter, reader: Reader) -> None:
    """With merges stopped, a read that waited for one would not come back; one that relied on it would be wrong."""
    with merges_stopped(writer.clickhouse):
        for _ in range(PARTS_MIN // 3):
            batch = writer.write_requests(20)
            writer.complete(batch)
            writer.write_outcomes(batch, "processors", DispatchStatus.DISPATCHED)
        assert _number(writer, _PARTS) >= PARTS_MIN
        with pytest.raises(ClickHouseRefusedError):
            writer.clickhouse.execute("OPTIMIZE TABLE deliveries FINAL SETTINGS optimize_throw_if_noop = 1")
        assert sorted(reader.walk(batch.until_us)) == sorted(writer.delivery_ids)
        assert reader.count(batch.until_us) == len(writer.delivery_ids)
        assert reader.status(batch.delivery_ids[0]) == "dispatched"


@pytest.mark.parametrize("name", ["idempotency_key", "trace_id", "replay_id", "replayed_from", "entity_id"])
def test_what_few_deliveries_have_is_found_by_an_index(writer: LogWriter, name: str) -> None:
    writer.write_outcomes(writer.write_requests(20), "actions", DispatchStatus.DISPATCHED)
    conditions = conditions_of(
        DeliveryFilter.model_validate({name: str(writer.tenant_id)}), QUERIES, now=datetime.now(UTC)
    )
    [candidates] = conditions.candidates
    statement = put_together(QUERIES, "find_candidates", held=candidates.held, conditions=candidates.text)
    asked = {"tenant_id": str(writer.tenant_id), "since_us": 0, "until_us": now_us(), "candidates_max": 1}
    begins = {"before_us": 0, "before_id": str(UUID(int=0))}
    plan = writer.clickhouse.query(f"EXPLAIN indexes = 1 {statement}", {**asked, **begins, **conditions.parameters})
    assert any(f"Name: by_{'handled_' if name == 'entity_id' else ''}{name}" in str(row) for row in plan), plan


def test_a_text_is_found_in_bodies_and_in_what_is_left_of_them(writer: LogWriter, reader: Reader) -> None:
    kept, expired = writer.write_requests(10), writer.write_requests(10)
    bound = {"tenant_id": str(writer.tenant_id), "ids": list(expired.delivery_ids)}
    writer.clickhouse.execute(_EXPIRE, bound)
    both = {*kept.delivery_ids, *expired.delivery_ids}
    for search in ({"body_contains": BODY.decode()}, {"body_path": "$", "body_op": "exists"}):
        found = reader.follow(7, webhook_id=[writer.webhook_id], **search)
        assert (len(found), set(found)) == (20, both)


def test_an_index_of_requests_does_not_hide_their_outcomes_in_other_parts(writer: LogWriter, reader: Reader) -> None:
    """An index leaves out parts that cannot hold a key, and the part with the outcome does not hold it."""
    with merges_stopped(writer.clickhouse):
        batch = writer.write_requests(20)
        writer.write_outcomes(batch, "actions", DispatchStatus.DISPATCHED)
        delivery_id = batch.delivery_ids[5]
        assert reader.by_key(delivery_id, DispatchStatus.DISPATCHED) == [delivery_id]
        assert reader.by_key(delivery_id, DispatchStatus.PENDING) == []


def test_a_page_beside_merges_takes_about_as_long_as_one_without(writer: LogWriter, reader: Reader) -> None:
    until_us = writer.write_requests(DELIVERIES).until_us

    def ratio() -> float:
        alone = _median_seconds(reader, until_us)
        stopping = threading.Event()
        with running(merging(writer.clickhouse, stopping), stopping=stopping):
            return _median_seconds(reader, until_us) / alone

    # Other tests may begin to work between the two; merges that hold up reads would do so every time.
    assert any(ratio() < RATIO_MAX for _ in range(ROUNDS_MAX))


def _median_seconds(reader: Reader, until_us: int) -> float:
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        reader.count(until_us)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _await_look(seen: list[int]) -> None:
    """Until a look that began after now has ended."""
    looks = len(seen)
    eventually(lambda: len(seen) >= looks + 2, timeout_seconds=JOIN_SECONDS_MAX, what="the delivery to be looked at")


def _end_of_time(writer: LogWriter) -> int:
    return writer.began_us + 3_600 * MICROSECONDS


def _number(writer: LogWriter, sql: str) -> int:
    [row] = writer.clickhouse.query(sql, {"tenant_id": str(writer.tenant_id)})
    [number] = row.values()
    return int(number)
