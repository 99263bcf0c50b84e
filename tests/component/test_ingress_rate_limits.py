"""Rate limits shared through a real Valkey: the script, several receivers at once, and a store that comes and goes."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator

import pytest
from redis.exceptions import ResponseError

from hookline.embedded.kafka import KafkaBroker
from infra import metrics
from infra.clock import now_us
from infra.settings import RateLimitSettings
from ingress.core.leases import LeasedBucket
from ingress.rate_store import RateStore
from tests.support.ingress import await_status, publishing, running_ingress, signed
from tests.support.valkey import Valkey, running_valkey

TENANT, WEBHOOK = "01980000-0000-7000-8000-000000000001", "01980000-0000-7000-8000-000000000002"
SECONDS_MAX = 10.0


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey(password="open-sesame") as valkey:
        yield valkey


def store_of(valkey: Valkey, **chosen: int) -> RateStore:
    return RateStore(RateLimitSettings.model_validate({"renewal_milliseconds": 10, **chosen}), valkey.url)


def bucket_of(store: RateStore, limit: int, webhook_id: str = WEBHOOK) -> LeasedBucket:
    return store.bucket(TENANT, webhook_id, limit, None, now_us())


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


class Receivers:
    """Stores as several receivers have them, running."""

    def __init__(self, valkey: Valkey, count: int, **chosen: int) -> None:
        self.stores = [store_of(valkey, **chosen) for _ in range(count)]

    async def __aenter__(self) -> list[RateStore]:
        self.tasks = [asyncio.get_running_loop().create_task(store.run()) for store in self.stores]
        await until(lambda: all(store.trouble is None for store in self.stores))
        return self.stores

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def credit_of(limit: int) -> int:
    return max(1, limit * 5 // 100)


@pytest.mark.parametrize(("limit", "receivers"), [(60, 1), (600, 3), (6_000, 4)])
async def test_receivers_together_admit_the_limit_and_their_credit(valkey: Valkey, limit: int, receivers: int) -> None:
    async with Receivers(valkey, receivers) as stores:
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
    async with Receivers(valkey, 2) as stores:
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
    async with Receivers(valkey, 1, renewal_milliseconds=50) as [store]:
        bucket, admitted, before = bucket_of(store, 60_000), 0, calls._value.get()
        began = time.monotonic()
        while time.monotonic() - began < 1.5:
            admitted += sum(bucket.take(now_us()) for _ in range(2))
            await asyncio.sleep(0.002)
    assert (calls._value.get() - before) / admitted < 0.05


async def test_the_store_may_go_and_come_back_empty(valkey: Valkey) -> None:
    async with Receivers(valkey, 1) as [store]:
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
    async with Receivers(valkey, 1) as [store]:
        bucket = bucket_of(store, 600)
        for _ in range(5):
            valkey.client().script_flush()
            bucket.take(now_us())
            await asyncio.sleep(0.05)
        await until(lambda: store.trouble is None)
        await until(lambda: valkey.client().dbsize() == 1)


async def test_a_wrong_password_is_no_fault_of_a_request(valkey: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    spoilt = Valkey(valkey.port, valkey.folder, "wrong-sesame")
    store = store_of(spoilt)
    task = asyncio.get_running_loop().create_task(store.run())
    await until(lambda: store.trouble not in (None, "not asked yet"))
    bucket = bucket_of(store, 60)
    assert sum(bucket.take(now_us()) for _ in range(100)) == 60
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "wrong-sesame" not in caplog.text
    assert "wrong-sesame" not in str(store.trouble)


async def test_a_store_that_may_only_be_read_is_as_one_that_is_away(valkey: Valkey) -> None:
    async with Receivers(valkey, 1) as [store]:
        client = valkey.client()
        client.config_set("min-replicas-to-write", 1)  # refuses every write, as a replica does
        with pytest.raises(ResponseError):
            client.set("a", "b")
        bucket = bucket_of(store, 60)
        bucket.take(now_us())
        await until(lambda: (bucket.take(now_us()) or True) and store.trouble is not None)
        client.config_set("min-replicas-to-write", 0)
        await until(lambda: store.trouble is None)


async def test_tenants_and_webhooks_have_keys_of_their_own(valkey: Valkey) -> None:
    async with Receivers(valkey, 1) as [store]:
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


def test_two_workers_share_a_limit(kafka: KafkaBroker, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the store each of them would admit the whole of it."""
    monkeypatch.setenv("HOOKLINE_RATE_LIMITS__STORE_URL", valkey.url)
    with publishing(kafka.bootstrap) as tenant, running_ingress(kafka.bootstrap, workers=2) as ingress:
        other = tenant.publish(tenant.webhook(slug="other"))
        for _ in range(12):  # until both workers know the webhooks
            await_status(ingress, signed(other, b"{}"), 200)
        parts = ingress.readiness()[1]["parts"]
        assert [part["details"]["rate_limit_store"] for part in parts] == ["in use", "in use"]
        config = tenant.publish(tenant.webhook(rate_limit_per_minute=60))
        began = time.monotonic()
        raw = signed(config, b"{}")
        await_status(ingress, raw, 200)
        answers = [ingress.send(raw) for _ in range(250)]
        elapsed = time.monotonic() - began
        admitted = 1 + sum(answer.status == 200 for answer in answers)
        assert admitted <= 60 + elapsed + 2 * credit_of(60) + 1
        assert admitted >= 55
        refused = next(answer for answer in reversed(answers) if answer.status == 429)
        assert 1 <= int(refused.headers["retry-after"]) <= math.ceil(2 * credit_of(60) + 2)
        assert refused.headers["ratelimit-limit"] == "60"
        assert refused.headers["ratelimit-remaining"] == "0"
        assert valkey.password is not None
        assert valkey.password not in ingress.log.read_text()
