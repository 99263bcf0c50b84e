"""Rate limits shared through a real Valkey: the script, several receivers at once, and a store that comes and goes."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from statistics import median

import pytest
from redis.exceptions import ReadOnlyError

from hookline.embedded.kafka import KafkaBroker
from infra import metrics
from infra.clock import now_us
from infra.settings import RateLimitSettings
from ingress.core.leases import LeasedBucket
from ingress.rate_store import RateStore
from tests.support.ingress import HttpAnswer, RunningIngress, await_status, publishing, running_ingress, signed
from tests.support.valkey import Valkey, running_valkey
from tests.support.wait import eventually

TENANT, WEBHOOK = "01980000-0000-7000-8000-000000000001", "01980000-0000-7000-8000-000000000002"
SECONDS_MAX = 30.0
#: Where a test is not about a store that hangs: a pause of this process is not to be taken for one.
PATIENCE_MILLISECONDS = 10_000
#: Enough for some forty renewals, on a busy machine too.
SHARING_SECONDS = 2.0


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey(password="open-sesame") as valkey:
        yield valkey


def store_of(valkey: Valkey, **chosen: int) -> RateStore:
    usual = {"renewal_milliseconds": 10, "store_timeout_milliseconds": PATIENCE_MILLISECONDS}
    return RateStore(RateLimitSettings.model_validate(usual | chosen), valkey.url)


def bucket_of(store: RateStore, limit: int, webhook_id: str = WEBHOOK) -> LeasedBucket:
    return store.bucket(TENANT, webhook_id, limit, None, now_us())


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


@asynccontextmanager
async def running(*stores: RateStore) -> AsyncIterator[None]:
    tasks = [asyncio.get_running_loop().create_task(store.run()) for store in stores]
    try:
        yield
    finally:
        for store in stores:
            store.stop()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert ends == [None] * len(tasks), "no fault of the store ends it"


@asynccontextmanager
async def receivers_of(valkey: Valkey, count: int, **chosen: int) -> AsyncIterator[list[RateStore]]:
    """Stores as several receivers have them, running and in use."""
    stores = [store_of(valkey, **chosen) for _ in range(count)]
    async with running(*stores):
        await until(lambda: all(store.trouble is None for store in stores))
        yield stores


def credit_of(limit: int) -> int:
    return max(1, limit * 5 // 100)


@pytest.mark.parametrize(("limit", "receivers"), [(60, 1), (600, 3), (6_000, 4)])
async def test_receivers_together_admit_the_limit_and_their_credit(valkey: Valkey, limit: int, receivers: int) -> None:
    async with receivers_of(valkey, receivers) as stores:
        buckets = [bucket_of(store, limit) for store in stores]
        began, admitted = time.monotonic(), 0
        while time.monotonic() - began < 1.0:
            for bucket in buckets:
                admitted += sum(bucket.take(now_us()) for _ in range(limit // 20 + 1))
            await asyncio.sleep(0.002)
        elapsed = time.monotonic() - began
    assert admitted <= limit + elapsed * limit / 60 + receivers * credit_of(limit) + 1
    assert admitted >= limit


async def test_one_receiver_gets_what_others_have_left(valkey: Valkey) -> None:
    async with receivers_of(valkey, 2) as stores:
        first, second = (bucket_of(store, 600) for store in stores)
        taken = 0
        for _ in range(30):
            taken += first.take(now_us()) + second.take(now_us())
            await asyncio.sleep(0.005)
        await until(lambda: second.is_quiet)  # its lease went back
        began = time.monotonic()
        while time.monotonic() - began < 1.0:
            taken += sum(first.take(now_us()) for _ in range(20))
            await asyncio.sleep(0.002)
    assert taken >= 600


async def test_a_hot_webhook_pays_no_round_trip_per_request(valkey: Valkey) -> None:
    calls = metrics.INGRESS_RATE_STORE_CALLS
    async with receivers_of(valkey, 1, renewal_milliseconds=50) as [store]:
        bucket, admitted, before = bucket_of(store, 60_000), 0, calls._value.get()
        began = time.monotonic()
        while time.monotonic() - began < 1.5:
            admitted += sum(bucket.take(now_us()) for _ in range(2))
            await asyncio.sleep(0.002)
    assert (calls._value.get() - before) / admitted < 0.05


async def test_the_store_may_go_and_come_back_empty(valkey: Valkey) -> None:
    async with receivers_of(valkey, 1) as [store]:
        bucket = bucket_of(store, 60)
        assert bucket.take(now_us())
        valkey.kill()
        await until(lambda: (bucket.take(now_us()) or True) and store.trouble is not None)
        admitted = sum(bucket.take(now_us()) for _ in range(200))
        assert 0 < admitted <= 60, "while it is away the receiver counts by itself"
        assert not bucket.take(now_us())
        assert bucket.refusal().retry_after_seconds >= 1
        valkey.start()
        await until(lambda: store.trouble is None)
        await until(lambda: bucket.take(now_us()))  # once what was owed when it went is paid
        await until(lambda: valkey.client().dbsize() == 1)


async def test_a_script_that_was_flushed_is_loaded_again(valkey: Valkey) -> None:
    async with receivers_of(valkey, 1) as [store]:
        bucket = bucket_of(store, 600)
        for _ in range(5):
            valkey.client().script_flush()
            bucket.take(now_us())
            await asyncio.sleep(0.05)
        await until(lambda: store.trouble is None)
        await until(lambda: valkey.client().dbsize() == 1)


async def test_a_wrong_password_is_no_fault_of_a_request(valkey: Valkey, capsys: pytest.CaptureFixture[str]) -> None:
    spoilt = Valkey(valkey.port, valkey.folder, "wrong-sesame")
    store = store_of(spoilt)
    async with running(store):
        await until(lambda: store.trouble == "AuthenticationError")
        bucket = bucket_of(store, 60)
        assert sum(bucket.take(now_us()) for _ in range(100)) == 60
    printed = "".join(capsys.readouterr())
    assert printed.count("rate_limits.store") == 1
    assert "wrong-sesame" not in printed


async def test_a_store_that_may_only_be_read_is_as_one_that_is_away(
    valkey: Valkey, capsys: pytest.CaptureFixture[str]
) -> None:
    async with receivers_of(valkey, 1) as [store]:
        client = valkey.client()
        client.replicaof("127.0.0.1", "1")  # of nobody; it refuses every write
        with pytest.raises(ReadOnlyError):
            client.set("a", "b")
        bucket = bucket_of(store, 60)
        failures = metrics.INGRESS_RATE_STORE_FAILURES._value.get()
        bucket.take(now_us())
        await until(lambda: store.trouble is not None)
        await until(lambda: metrics.INGRESS_RATE_STORE_FAILURES._value.get() >= failures + 3)  # it is asked again
        assert metrics.INGRESS_RATE_STORE_AWAY._value.get() == 1
        client.replicaof("NO", "ONE")
        await until(lambda: store.trouble is None)
        assert metrics.INGRESS_RATE_STORE_AWAY._value.get() == 0
    assert "".join(capsys.readouterr()).count("ReadOnlyError") == 1, "said once, however often it is asked"


async def test_a_store_that_hangs_delays_no_request(valkey: Valkey) -> None:
    async with receivers_of(valkey, 2, store_timeout_milliseconds=100) as stores:
        buckets = [bucket_of(store, 600) for store in stores]
        began, admitted, times = time.monotonic(), 0, []
        with valkey.hanging():
            while any(store.trouble is None for store in stores):
                assert time.monotonic() - began < SECONDS_MAX
                took = time.perf_counter()
                admitted += sum(bucket.take(now_us()) for bucket in buckets)
                times.append(time.perf_counter() - took)
                await asyncio.sleep(0.005)
            admitted += sum(bucket.take(now_us()) for bucket in buckets for _ in range(700))
        assert median(times) < 0.01, "whoever waits for the store waits for 0.1 s"
        assert 1_200 <= admitted <= 2 * (600 + (time.monotonic() - began) * 10), "each counts by itself"
        await until(lambda: all(store.trouble is None for store in stores))


async def test_a_store_that_is_lost_and_comes_back_under_load_lets_no_receiver_exceed_the_limit(valkey: Valkey) -> None:
    async with receivers_of(valkey, 3) as stores:
        buckets = [bucket_of(store, 600) for store in stores]
        began, admitted = time.monotonic(), [0, 0, 0]

        async def flood(holds: Callable[[], bool]) -> None:
            while not holds():
                assert time.monotonic() - began < SECONDS_MAX
                for number, bucket in enumerate(buckets):
                    admitted[number] += sum(bucket.take(now_us()) for _ in range(10))
                await asyncio.sleep(0.005)

        await flood(lambda: sum(admitted) >= 300)
        valkey.kill()
        await flood(lambda: all(store.trouble is not None for store in stores))
        valkey.start()
        await flood(lambda: all(store.trouble is None for store in stores))
        end = time.monotonic() + 0.3
        await flood(lambda: time.monotonic() > end)
        cap = 600 + (time.monotonic() - began) * 10 + 1
    assert all(300 / 3 < of_one <= cap for of_one in admitted)


async def test_another_limit_is_in_force_at_once_and_keeps_the_share(valkey: Valkey) -> None:
    async with receivers_of(valkey, 2) as stores:
        buckets = [bucket_of(store, 60) for store in stores]
        assert buckets[0].take(now_us())
        await until(lambda: valkey.client().dbsize() == 1)
        began = time.monotonic()
        raised = [
            store.bucket(TENANT, WEBHOOK, 6_000, before, now_us())
            for store, before in zip(stores, buckets, strict=True)
        ]
        admitted = 0
        while time.monotonic() - began < 1.0:
            admitted += sum(bucket.take(now_us()) for bucket in raised for _ in range(100))
            await asyncio.sleep(0.002)
        elapsed = time.monotonic() - began
    assert 5_500 <= admitted <= 6_000 + elapsed * 100 + 2 * credit_of(6_000)


async def test_tenants_and_webhooks_have_keys_of_their_own(valkey: Valkey) -> None:
    async with receivers_of(valkey, 1) as [store]:
        one, other = bucket_of(store, 60), bucket_of(store, 60, TENANT)
        assert one.take(now_us())
        assert other.take(now_us())
        client = valkey.client()
        await until(lambda: client.dbsize() == 2)
        assert sorted(client.keys()) == [
            f"hookline:rate:{TENANT}:{TENANT}".encode(),
            f"hookline:rate:{TENANT}:{WEBHOOK}".encode(),
        ]
        assert 0 < client.ttl(client.keys()[0]) <= 600


def stores_of(ingress: RunningIngress) -> list[str]:
    return [part["details"]["rate_limit_store"] for part in ingress.readiness()[1]["parts"]]


@pytest.mark.parametrize("is_shared", [True, False])
def test_two_workers_share_a_limit_where_they_have_a_store(
    kafka: KafkaBroker, valkey: Valkey, monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    if is_shared:
        monkeypatch.setenv("HOOKLINE_RATE_LIMITS__STORE_URL", valkey.url)
        monkeypatch.setenv("HOOKLINE_RATE_LIMITS__STORE_TIMEOUT_MILLISECONDS", str(PATIENCE_MILLISECONDS))
    with publishing(kafka.bootstrap) as tenant, running_ingress(kafka.bootstrap, workers=2) as ingress:
        other = tenant.publish(tenant.webhook(slug="other"))
        for _ in range(12):  # until both workers know the webhooks
            await_status(ingress, signed(other, b"{}"), 200)
        if is_shared:
            eventually(lambda: stores_of(ingress) == ["in use"] * 2, timeout_seconds=30, what="both to say so")
        config = tenant.publish(tenant.webhook(rate_limit_per_minute=60))
        began = time.monotonic()
        raw = signed(config, b"{}")
        await_status(ingress, raw, 200)
        answers: list[HttpAnswer] = []
        while time.monotonic() - began < SHARING_SECONDS or len(answers) < 250:
            answers.append(ingress.send(raw))
        elapsed = time.monotonic() - began
        admitted = 1 + sum(answer.status == 200 for answer in answers)
        refused = next(answer for answer in reversed(answers) if answer.status == 429)
        assert refused.headers["ratelimit-limit"] == "60"
        assert refused.headers["ratelimit-remaining"] == "0"
        if not is_shared:
            assert admitted >= 110, "each admits the limit"
            return
        assert 55 <= admitted <= 60 + elapsed + 2 * credit_of(60) + 2
        assert 1 <= int(refused.headers["retry-after"]) <= math.ceil(2 * credit_of(60) + 2)
        assert int(refused.headers["ratelimit-reset"]) >= 55
        assert valkey.password is not None
        assert valkey.password not in ingress.log.read_text()
