"""What the log's readers wait for, with the management API's own code on the embedded engine, and at how many rows.

- `fill`: the rows are made and inserted by ClickHouse; what the sink inserts per second is `bench.analytics`. It is so
  much faster than any sender that merges go on behind it, for `merged_seconds`; reads begin thereafter.
- `reads`: each 20 times with values that were not asked for before; `cpu_milliseconds` is what this process, engine
  included, worked for one of them, which another program on the machine does not change as it does the time.
- `search`: 8 times one webhook's day, for a value that no body has, so that every body is looked at. Its floor looks at
  the end of the same bodies.
- `export`: JSON Lines of the newest deliveries of one webhook, as the API streams them; `growth_mebibytes` is by how
  much the peak of resident memory rises from a tenth of the rows to all of them.
"""

import argparse
import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psutil

from bench.log.rows import QUERIES, ROWS_PER_SECOND, fill
from hookline.demo.balance import percentile
from infra.clickhouse import ClickHouse, Row, migrate
from infra.clock import MICROSECONDS, now_us
from infra.postgres import Pool
from infra.settings import ClickHouseSettings
from management.deliveries.filters import DeliveryExport, DeliveryFilter
from management.deliveries.repository import DeliveryRepository
from management.deliveries.service import DeliveryService
from management.exports import ExportRoom
from schemas.records import DispatchStatus

ROWS, EXPORTED = 2_000_000, 100_000
#: The first run of each is not counted: it opens connections and fills caches.
RUNS, SEARCH_RUNS = 21, 9
_SHARE_OF_LARGE = 0.6
_SAMPLE_SECONDS = 0.02
_QUIET_SECONDS, _MERGES_SECONDS_MAX = 2.0, 3_600.0
_DAY = timedelta(days=1)
Json = dict[str, Any]


class Large(NamedTuple):
    """The webhook with most of the deliveries."""

    tenant_id: UUID
    webhook_id: UUID
    newest: datetime

    def bound(self, since: datetime, until: datetime) -> Json:
        """Parameters of a statement about a time of it."""
        ids = {"tenant_id": str(self.tenant_id), "webhook_id": str(self.webhook_id)}
        return {**ids, "since_us": _microseconds(since), "until_us": _microseconds(until)}


def measure(clickhouse: ClickHouse, rows: int, exported: int) -> Json:
    """Everything above, in a log that was empty."""
    migrate(clickhouse)
    filled = fill(clickhouse, rows, now_us())
    merged_seconds = _await_merges(clickhouse)
    [stored] = clickhouse.query(QUERIES["count_parts"])
    [found] = clickhouse.query(QUERIES["find_largest_webhook"])
    newest = datetime.fromtimestamp(found["newest_us"] // MICROSECONDS + 1, UTC)
    large = Large(found["tenant_id"], found["webhook_id"], newest)
    service = DeliveryService(DeliveryRepository(clickhouse, Pool(open=False)), ExportRoom())
    return {
        "rows": rows,
        "parts": stored["parts"],
        "bytes_per_row": round(stored["bytes"] / rows),
        "fill": {**filled, "merged_seconds": merged_seconds},
        "reads": _reads(clickhouse, service, large),
        "search": _search(clickhouse, service, large),
        "export": _export(clickhouse, service, large, exported),
    }


def _await_merges(clickhouse: ClickHouse) -> float:
    """Seconds until none had been running for a while."""
    began = quiet_since = time.perf_counter()
    while time.perf_counter() - quiet_since < _QUIET_SECONDS:
        if time.perf_counter() - began > _MERGES_SECONDS_MAX:
            raise AssertionError("merges have no end")
        [running] = clickhouse.query(QUERIES["count_merges"])
        if running["merges"]:
            quiet_since = time.perf_counter()
        time.sleep(_SAMPLE_SECONDS)
    return round(quiet_since - began, 1)


def _reads(clickhouse: ClickHouse, service: DeliveryService, large: Large) -> Json:
    hour = large.bound(large.newest - timedelta(hours=1), large.newest)
    samples = clickhouse.query(QUERIES["sample_deliveries"], {**hour, "limit": RUNS})
    until = [large.newest - timedelta(minutes=minute) for minute in range(RUNS)]

    def page(**filters: Any) -> Callable[[int], object]:
        return lambda run: service.page(large.tenant_id, DeliveryFilter(until=until[run], **filters))

    def found(name: str) -> Callable[[int], object]:
        return lambda run: _one(service, large, {name: samples[run][name]})

    webhook = {"webhook_id": [large.webhook_id]}
    return {
        "floor": _times(lambda _: clickhouse.query(QUERIES["floor_round_trip"])),
        "floor_keys": _times(
            lambda run: clickhouse.query(QUERIES["floor_keys"], {**hour, "since_us": hour["since_us"] + run})
        ),
        "page of a webhook": _times(page(**webhook)),
        "page of a tenant": _times(page()),
        "page of failed ones": _times(page(**webhook, dispatch_status=[DispatchStatus.FAILED])),
        "page of slow ones": _times(page(**webhook, duration_ms_min=109)),
        "page by idempotency key": _times(found("idempotency_key")),
        "page by entity": _times(found("entity_id")),
        "detail": _times(lambda run: service.get(large.tenant_id, samples[run]["delivery_id"])),
    }


def _one(service: DeliveryService, large: Large, filters: Json) -> None:
    if service.page(large.tenant_id, DeliveryFilter(**filters)).meta.total != 1:
        raise AssertionError(f"not exactly one delivery has {filters}")


def _search(clickhouse: ClickHouse, service: DeliveryService, large: Large) -> Json:
    since, webhook = large.newest - _DAY, [large.webhook_id]
    day = large.bound(since, large.newest)

    def search(**filters: Any) -> None:
        wanted = DeliveryFilter(webhook_id=webhook, since=since, until=large.newest, **filters)
        if service.page(large.tenant_id, wanted).data:
            raise AssertionError("a value that no body has was found")

    def floor(run: int) -> Sequence[Row]:
        return clickhouse.query(QUERIES["floor_bodies"], {**day, "value": f"?{run}"})

    [bodies] = floor(SEARCH_RUNS)
    return {
        "bodies": bodies["bodies"],
        "floor": _times(floor, SEARCH_RUNS),
        "JSON path": _times(lambda run: search(body_path="$.alert.severity", body_value=f"none-{run}"), SEARCH_RUNS),
        "text": _times(lambda run: search(body_contains=f"nothing of that {run}"), SEARCH_RUNS),
    }


def _export(clickhouse: ClickHouse, service: DeliveryService, large: Large, exported: int) -> Json:
    def export(rows: int) -> tuple[int, float, float]:
        since = large.newest - timedelta(seconds=rows / (ROWS_PER_SECOND * _SHARE_OF_LARGE))
        wanted = DeliveryExport(format="jsonl", webhook_id=[large.webhook_id], since=since, until=large.newest)
        with _PeakMemory() as memory:
            started = time.perf_counter()
            lines = asyncio.run(_lines(service, large.tenant_id, wanted))
            return lines, time.perf_counter() - started, memory.peak_mebibytes

    _, _, peak_of_tenth = export(exported // 10)
    lines, seconds, peak = export(exported)
    return {
        "rows": lines,
        "rows_per_second": round(lines / seconds),
        "peak_mebibytes": round(peak, 1),
        "growth_mebibytes": round(peak - peak_of_tenth, 1),
    }


async def _lines(service: DeliveryService, tenant_id: UUID, wanted: DeliveryExport) -> int:
    lines = 0
    async for chunk in service.export(tenant_id, wanted).body_iterator:
        lines += bytes(chunk, "utf-8").count(b"\n") if isinstance(chunk, str) else bytes(chunk).count(b"\n")
    return lines


class _PeakMemory:
    """The most resident memory that this process had in a while."""

    def __init__(self) -> None:
        self.peak_mebibytes = 0.0
        self._ended = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_PeakMemory":
        self._look()
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watching.join()

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self._look()

    def _look(self) -> None:
        self.peak_mebibytes = max(self.peak_mebibytes, psutil.Process().memory_info().rss / 2**20)


def _times(read: Callable[[int], object], runs: int = RUNS) -> Json:
    seconds: list[float] = []
    processor_seconds: list[float] = []
    for run in range(runs):
        started, worked = time.perf_counter(), time.process_time()
        read(run)
        seconds.append(time.perf_counter() - started)
        processor_seconds.append(time.process_time() - worked)
    return {
        "p50_milliseconds": _milliseconds(seconds[1:], 0.5),
        "p99_milliseconds": _milliseconds(seconds[1:], 0.99),
        "cpu_milliseconds": _milliseconds(processor_seconds[1:], 0.5),
    }


def _milliseconds(seconds: Sequence[float], share: float) -> float:
    return round(1_000 * percentile(list(seconds), share), 1)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * MICROSECONDS


def main() -> None:
    """Measure in a folder of our own and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="deliveries in the log, some 300 bytes of disk each")
    parser.add_argument("--exported", type=int, default=EXPORTED, help="deliveries to export")
    parser.add_argument("--folder", help="where the data goes for the time being; else the folder for temporary files")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hookline-bench-log-", dir=arguments.folder) as name:
        clickhouse = ClickHouse(ClickHouseSettings(path=Path(name) / "clickhouse"))
        try:
            print(json.dumps(measure(clickhouse, arguments.rows, arguments.exported), indent=2))
        finally:
            clickhouse.close()


if __name__ == "__main__":
    main()
