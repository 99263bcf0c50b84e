"""A change of a webhook, from the API's answer until every receiver acts on it, also while managements die."""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.embedded.kafka import KafkaBroker
from infra.migrations import migrate
from tests.support.analytics import make_topics
from tests.support.ingress import MASTER_KEY, RunningIngress, running_ingress, signature_of
from tests.support.management import API, KnownTenant, make_tenant, management_settings
from tests.support.relay import READY_SECONDS, ManagementProcess, management_process
from tests.support.wait import eventually
from tests.support.webhooks import WEBHOOKS, webhook_body

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

RECEIVERS = 3
ROUNDS = 4
CHANGES_PER_ROUND = 26
SECONDS_PROMISED = 1.0
SEEN_SECONDS_MAX = 30.0
BODY = b'{"alert": {"title": "Disk full", "client": "Acme Ltd"}}'


@dataclass
class Webhook:
    """One webhook, changed through the API and watched on every receiver."""

    tenant: KnownTenant
    receivers: list[RunningIngress]
    id: str
    secret: str
    pool: ThreadPoolExecutor
    seconds: list[float] = field(default_factory=list)

    def changes(self) -> Iterator[Callable[[httpx.Client], float]]:
        """Kinds of changes in turn; each is made and then seen, and says how many seconds lay in between."""
        while True:
            yield self.rotate
            yield partial(self.switch, "disable", 401)
            yield partial(self.switch, "enable", 200)
            yield partial(self.limit, 1, 429)
            yield partial(self.limit, 60_000, 200)

    def rotate(self, api: httpx.Client) -> float:
        answer = self.call(api, "POST", "/rotate-secret", {"rotation_overlap_seconds": 0})
        answered_at = time.monotonic()
        self.secret = answer["secret"]
        return self.seconds_until(200, answered_at)

    def switch(self, operation: str, status: int, api: httpx.Client) -> float:
        self.call(api, "POST", f"/{operation}", None)
        return self.seconds_until(status, time.monotonic())

    def limit(self, per_minute: int, status: int, api: httpx.Client) -> float:
        self.call(api, "PATCH", "", {"rate_limit_per_minute": per_minute})
        return self.seconds_until(status, time.monotonic())

    def call(self, api: httpx.Client, method: str, path: str, body: Any) -> Any:
        answer = api.request(method, f"{API}{WEBHOOKS}/{self.id}{path}", json=body, headers=self.tenant.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def seconds_until(self, status: int, answered_at: float) -> float:
        """From the API's answer until the last receiver gave this status."""
        seen_at = self.pool.map(lambda receiver: self.await_status(receiver, status), self.receivers)
        return max(seen_at) - answered_at

    def await_status(self, receiver: RunningIngress, status: int) -> float:
        head = (
            f"POST /api/inbound/{self.tenant.slug}/live HTTP/1.1\r\nhost: test\r\n"
            f"x-signature: {signature_of(BODY, self.secret)}\r\ncontent-length: {len(BODY)}\r\n\r\n"
        )
        raw = head.encode() + BODY
        eventually(
            lambda: receiver.send(raw).status == status, timeout_seconds=SEEN_SECONDS_MAX, what=f"an answer {status}"
        )
        return time.monotonic()


@pytest.fixture
def managements(database_dsn: str, kafka: KafkaBroker, tmp_path: Path) -> Iterator[list[ManagementProcess]]:
    """Two: one leads, the other stands by."""
    migrate(database_dsn)
    (tmp_path / "master.key").write_text(MASTER_KEY + "\n")
    settings = management_settings(kafka.bootstrap, database_dsn, tmp_path / "master.key")
    make_topics(settings)
    with ExitStack() as running:
        both = [running.enter_context(management_process(settings, tmp_path / name)) for name in ("one", "two")]
        eventually(
            lambda: sorted(str(one.relay_state()) for one in both) == ["leader", "standby"],
            timeout_seconds=READY_SECONDS,
            what="one to lead and one to stand by",
        )
        yield both


@pytest.fixture
def webhook(database_dsn: str, kafka: KafkaBroker, managements: list[ManagementProcess]) -> Iterator[Webhook]:
    """In force on three receivers."""
    tenant = make_tenant(database_dsn, "live")
    body = webhook_body("live", rate_limit_per_minute=60_000)
    with ExitStack() as running:
        receivers = [running.enter_context(running_ingress(kafka.bootstrap)) for _ in range(RECEIVERS)]
        url = f"{managements[0].url}{API}{WEBHOOKS}"
        created = httpx.post(url, json=body, headers=tenant.headers, trust_env=False, timeout=30)
        assert created.status_code == 201, created.text
        pool = running.enter_context(ThreadPoolExecutor(RECEIVERS))
        made = Webhook(tenant, receivers, created.json()["id"], created.json()["secret"], pool)
        made.seconds_until(200, time.monotonic())
        yield made


def percentile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]


def test_changes_are_in_force_on_every_receiver_within_a_second_and_no_kill_loses_one(
    managements: list[ManagementProcess], webhook: Webhook
) -> None:
    changes = webhook.changes()
    steady: list[float] = []
    in_kill_windows: list[float] = []
    with ExitStack() as open_clients:
        clients = {
            one.port: open_clients.enter_context(httpx.Client(base_url=one.url, trust_env=False, timeout=30))
            for one in managements
        }
        for _ in range(ROUNDS):
            [leader] = [one for one in managements if one.relay_state() == "leader"]
            [other] = [one for one in managements if one is not leader]
            steady += [next(changes)(clients[leader.port]) for _ in range(CHANGES_PER_ROUND)]
            leader.kill()
            in_kill_windows.append(next(changes)(clients[other.port]))
            leader.start()
            leader.await_state("standby")
    print(  # noqa: T201  # for docs/guarantees.md
        f"{len(steady)} changes: p50 {statistics.median(steady):.3f} s, p99 {percentile(steady, 0.99):.3f} s, "
        f"longest {max(steady):.3f} s; {len(in_kill_windows)} right after a kill of the leader: "
        f"p50 {statistics.median(in_kill_windows):.3f} s, longest {max(in_kill_windows):.3f} s"
    )
    assert len(steady) >= 100
    assert percentile(steady, 0.99) < SECONDS_PROMISED
