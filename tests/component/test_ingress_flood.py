"""Bad signatures by the ten thousand: a good sender goes on, memory stays flat, and the log is short and exact."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import psutil
import pytest

from bench.open_loop import Schedule, ScheduledAnswer, run
from hookline.embedded.kafka import KafkaBroker
from tests.support.ingress import Publisher, RunningIngress, Watcher, await_status, running_ingress, signed
from tests.support.ingress_flood import Flood, pour, processes
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

GOOD_PER_SECOND = 400
CALM_SECONDS = 1
ADDRESSES = tuple(f"127.0.1.{number}" for number in range(1, 65))
OTHER_ADDRESSES = tuple(f"127.0.2.{number}" for number in range(1, 65))
BODY = b'{"alert":{"id":"a-1","title":"' + b"x" * 450 + b'"}}'
RECORDS_PER_SECOND_MAX = 5
WHOLE = 50_000
#: A calm p99 below this counts as this: the broker's acknowledgement alone may take so long.
FLOOR_SECONDS = 0.005
GROWTH_BYTES_MAX = 33_554_432


@pytest.fixture
def ingress(kafka: KafkaBroker) -> Iterator[RunningIngress]:
    """A receiver that bears half as many failed proofs as where nothing else is said: on a busy machine the shorter
    flood may take so long that every address would be given back all that it uses up."""
    with running_ingress(
        kafka.bootstrap, failed_proofs_per_minute=60, rejections_per_second_max=RECORDS_PER_SECOND_MAX
    ) as running:
        yield running


@dataclass(frozen=True)
class Round:
    """The good sender's answers: `calm` before a part of the flood, `flooded` within it, which took `seconds`.

    Calm and flood take turns, so that whatever else the machine does meets both; the median round counts.
    """

    calm: Sequence[ScheduledAnswer]
    flooded: Sequence[ScheduledAnswer]
    statuses: Counter[int]
    seconds: float

    @property
    def ratio(self) -> float:
        return p99(self.flooded) / max(p99(self.calm), FLOOR_SECONDS)


def p99(answers: Sequence[ScheduledAnswer]) -> float:
    return quantiles([answer.answer_seconds for answer in answers], n=100, method="inclusive")[98]


def good_sender(port: int, raw: bytes, seconds: int) -> list[ScheduledAnswer]:
    """Requests at a steady rate, whether or not earlier ones have been answered."""
    return run(Schedule("127.0.0.1", port, [raw] * (GOOD_PER_SECOND * seconds), GOOD_PER_SECOND, connections=16))


def flood(pool: ProcessPoolExecutor, port: int, good: bytes, bad: bytes, count: int) -> Round:
    calm = pool.submit(good_sender, port, good, CALM_SECONDS).result()
    flooding, sent = pool.submit(pour, Flood(port, bad, count, ADDRESSES)), list[ScheduledAnswer]()
    while not flooding.done():
        sent += pool.submit(good_sender, port, good, 1).result()
    poured = flooding.result()
    flooded = [answer for answer in sent if poured.began_at <= answer.due_at <= poured.ended_at]
    return Round(calm, flooded, poured.statuses, poured.ended_at - poured.began_at)


@pytest.mark.parametrize(
    ("count", "parts"), [(10_000, 2), pytest.param(WHOLE, 10, marks=pytest.mark.soak, id="the whole")]
)
def test_a_flood_of_bad_signatures_does_not_reach_a_good_sender(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher, count: int, parts: int
) -> None:
    config = tenant.publish(tenant.webhook(rate_limit_per_minute=60_000))
    good, bad = signed(config, BODY), signed(config, BODY, secret="x" * 16)
    await_status(ingress, good, 200)
    receiver = psutil.Process(ingress.process.pid)
    with processes(2) as pool:
        # Both processes are up, and the broker has seen rejections, before the first second that counts.
        stranger = signed(config.model_copy(update={"slug": "unknown"}), BODY)
        warm = pool.submit(pour, Flood(ingress.port, stranger, 5_000, OTHER_ADDRESSES))
        pool.submit(good_sender, ingress.port, good, 1).result()
        warm.result()
        resident = receiver.memory_info().rss
        rounds = [flood(pool, ingress.port, good, bad, count // parts) for _ in range(parts)]
        growth = receiver.memory_info().rss - resident
    records = accounted(watcher, config.webhook_id, count)
    calm = [answer for one in rounds for answer in one.calm]
    flooded = [answer for one in rounds for answer in one.flooded]
    statuses = sum((one.statuses for one in rounds), Counter())
    print(  # noqa: T201 - the figures are a result
        f"{count} bad signatures, {count / sum(one.seconds for one in rounds):.0f}/s, {dict(statuses)}:"
        f" good sender's p99 {p99(flooded) * 1e3:.2f} ms, calm {p99(calm) * 1e3:.2f} ms,"
        f" ratios {', '.join(f'{one.ratio:.2f}' for one in rounds)};"
        f" memory {growth / 1e6:+.1f} MB; {len(records)} rejection records"
    )
    assert {answer.status for answer in calm + flooded} == {200}
    assert statuses.keys() == {401, 429}
    assert statuses.total() == count
    assert growth < GROWTH_BYTES_MAX
    bounded(records)
    if count == WHOLE:  # the shorter one runs beside other tests, which would be measured with it
        assert median(one.ratio for one in rounds) < 3


def accounted(watcher: Watcher, webhook_id: str, count: int) -> list[dict[str, Any]]:
    """The rejection records of the flood, once they account for every refused request."""

    def all_counted() -> bool:
        return sum(int(record["count"]) for record in watcher.rejections(webhook_id=webhook_id)) >= count

    eventually(all_counted, timeout_seconds=20, what=f"{count} rejections accounted for")
    watcher.poll(1.5)  # more than a second, in which a record too many would come
    records = watcher.rejections(webhook_id=webhook_id)
    assert sum(record["count"] for record in records) == count
    return records


def bounded(records: Sequence[dict[str, Any]]) -> None:
    """Of each reason and address a second has so many records, and one for the rest. A second of the clock may touch
    two of the receiver's."""
    by_second: dict[tuple[str, str, int], int] = defaultdict(int)
    for record in records:
        by_second[record["reason"], record["source_ip"], record["rejected_at"] // 1_000_000] += 1
    assert max(by_second.values()) <= 2 * (RECORDS_PER_SECOND_MAX + 1)
    assert {reason for reason, _, _ in by_second} == {"rejected_signature", "address_limited"}
    assert {address for _, address, _ in by_second} == set(ADDRESSES)
