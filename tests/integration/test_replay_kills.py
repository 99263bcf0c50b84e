"""A replay job whose process is ended with kill -9 again and again: no delivery is skipped, none is published twice."""

from __future__ import annotations

import os
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest

from hookline.embedded.kafka import KafkaBroker
from infra.settings import Settings
from management.boundary import API
from tests.integration.test_analytics_sink import await_committed
from tests.support.analytics import begin_at_the_end
from tests.support.relay import ManagementProcess, management_process, prepared
from tests.support.replay_runs import (
    RequestWriter,
    await_ended,
    calmly,
    ends_of_raw_topics,
    logged_replays,
    replays_in_topics,
    start_job,
)
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

#: Processors do not run here: how far behind they are is to hold nothing up.
_LAG_SECONDS = "1000000"
_READY_SECONDS = 120.0
_DONE_SECONDS = 900.0
_SHARE_IN_BATCHES = 0.8
#: Longer than a batch may be left before somebody goes on with it.
_AGED = "1 hour"
_HOW_FAR = """
SELECT r.published, r.ended_at IS NOT NULL AS has_ended, EXISTS (
    SELECT FROM replay_batches b WHERE b.tenant_id = r.tenant_id AND b.replay_id = r.id AND b.done_at IS NULL
) AS has_batch_in_hand
FROM replays r WHERE r.id = %s
"""
_AGE_BATCH = b"UPDATE replay_batches SET written_at = written_at - %s::interval WHERE done_at IS NULL"
_COUNTED = "SELECT count(*) AS origins, min(replays) AS least, max(replays) AS most FROM replay_counts"


class HowFar(NamedTuple):
    """How many records a job has published, whether it has ended, and whether a batch is written down and not done."""

    published: int
    has_ended: bool
    has_batch_in_hand: bool


@dataclass
class Host:
    """A management process that also writes the log, killed and started again; `owner` reads its database."""

    settings: Settings
    process: ManagementProcess
    owner: psycopg.Connection[tuple[Any, ...]]
    key: str
    tenant_id: str
    webhook_id: str
    in_batches: int = 0
    kills: int = 0
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False))

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A request to the API as it runs now."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return self._client.request(method, f"{self.process.url}{API}{path}", headers=headers, **arguments)

    def await_ready(self) -> None:
        """Until the process answers."""

        def ready() -> bool:
            with suppress(httpx.TransportError):
                return self._client.get(f"{self.process.url}/readyz").status_code == 200
            return False

        eventually(ready, timeout_seconds=_READY_SECONDS, what="management to be ready")

    def how_far(self, replay_id: str) -> HowFar:
        """Of a job, as Postgres has it now."""
        [row] = self.owner.execute(_HOW_FAR, (replay_id,)).fetchall()
        return HowFar(*row)

    def kill(self, replay_id: str, *, ages_batch: bool) -> None:
        """SIGKILL, and a new process. `ages_batch`: what was in hand is as old as it would be after some waiting."""
        self.process.kill()
        self.kills += 1
        self.in_batches += self.how_far(replay_id).has_batch_in_hand
        if ages_batch:
            self.owner.execute(_AGE_BATCH, (_AGED,))
        self.process.start()


@contextmanager
def _running_host(kafka: KafkaBroker, dsn: str, folder: Path) -> Iterator[Host]:
    tables = prepared(dsn, kafka.bootstrap, folder)
    group_id = f"replay-kills-{uuid.uuid4().hex[:8]}"
    analytics = tables.settings.analytics.model_copy(update={"group_id": group_id})
    settings = tables.settings.model_copy(update={"analytics": analytics})
    begin_at_the_end(settings)
    environment = {
        "HOOKLINE_ANALYTICS__GROUP_ID": group_id,
        "HOOKLINE_ANALYTICS__SESSION_TIMEOUT_SECONDS": "6",
        "HOOKLINE_ALERTS__ENABLED": "false",
        "HOOKLINE_REPLAYS__LAG_SECONDS_MAX": _LAG_SECONDS,
    }
    webhook_id = str(tables.add("replayed"))
    with (
        psycopg.connect(dsn, autocommit=True) as owner,
        management_process(settings, folder, roles="management,analytics", environment=environment) as process,
    ):
        host = Host(settings, process, owner, tables.tenant.admin_key, str(tables.tenant.id), webhook_id)
        host.await_ready()
        yield host


def _write_log(host: Host, deliveries: int) -> list[str]:
    """So many deliveries in the raw topic and in the log."""
    writer = RequestWriter(host.settings.kafka, host.tenant_id)
    made = writer.write((host.webhook_id, f"key-{number}", {"number": number}) for number in range(deliveries))
    writer.close()
    await_committed(host.settings)
    return made


def _await_moment(host: Host, replay_id: str, published: int, chance: random.Random, *, in_batch: bool) -> None:
    """A moment after so much is published: while a batch is written down and not done, or any."""
    wait_seconds = chance.uniform(0, 0.02)

    def reached() -> bool:
        nonlocal wait_seconds
        job = host.how_far(replay_id)
        if job.has_ended or (job.published >= published and not in_batch):
            return True
        if job.published < published or not job.has_batch_in_hand:
            return False
        time.sleep(wait_seconds)
        os.kill(host.process.pid, signal.SIGSTOP)
        if host.how_far(replay_id).has_batch_in_hand:
            return True
        os.kill(host.process.pid, signal.SIGCONT)  # the batch was done meanwhile: another one, sooner
        wait_seconds /= 2
        return False

    eventually(reached, timeout_seconds=_DONE_SECONDS, what=f"{published} records of replay {replay_id}")
    if not in_batch:
        time.sleep(chance.uniform(0, 0.3))


def _kill_and_count(
    host: Host, seed: int, *, deliveries: int, kills: int, rate_per_second: int, ages_batches: bool
) -> None:
    chance = random.Random(seed)
    made = _write_log(host, deliveries)
    begins = ends_of_raw_topics(host.settings.kafka)
    now = datetime.now(UTC)
    selection = {
        "since": (now - timedelta(hours=1)).isoformat(),
        "until": (now + timedelta(hours=1)).isoformat(),
        "webhook_id": host.webhook_id,
    }
    replay_id = start_job(
        host.call, selection, rate_per_second=rate_per_second, confirm_records=deliveries, reason="kills"
    )
    moments = sorted(chance.sample(range(deliveries * 3 // 4), kills - 1))
    time.sleep(chance.uniform(0, 0.3))
    host.kill(replay_id, ages_batch=ages_batches)  # while it plans, or just after
    for number, moment in enumerate(moments):
        in_batch = number == 0 or chance.random() < _SHARE_IN_BATCHES
        _await_moment(host, replay_id, moment, chance, in_batch=in_batch)
        host.kill(replay_id, ages_batch=ages_batches)
    host.await_ready()
    job = await_ended(host.call, replay_id, timeout_seconds=_DONE_SECONDS)
    print(f"seed {seed}: {host.kills} kills, {host.in_batches} with a batch in hand, {job['counts']}")  # noqa: T201
    _assert_exact(host, job, made, begins)


def _assert_exact(host: Host, job: dict[str, Any], made: list[str], begins: Any) -> None:
    once = Counter(dict.fromkeys(made, 1))
    assert job["state"] == "done"
    whole = {"selected": len(made), "published": len(made), "present": 0, "lost": 0, "refused": 0, "remaining": 0}
    assert job["counts"] == whole
    in_topics = replays_in_topics(host.settings.kafka, begins)
    assert in_topics == {(job["id"], origin): 1 for origin in made}
    eventually(
        calmly(lambda: Counter(row["replayed_from"] for row in logged_replays(host.call, job["id"])) == once),
        timeout_seconds=_READY_SECONDS,
        what="the log to have each origin once",
    )
    assert host.owner.execute(_COUNTED).fetchall() == [(len(made), 1, 1)]
    assert host.in_batches > 0, "no kill left a batch behind: the test showed nothing"


@pytest.mark.timeout(600)
def test_a_job_whose_process_is_killed_three_times_skips_nothing_and_doubles_nothing(
    kafka: KafkaBroker, database_dsn: str, tmp_path: Path
) -> None:
    """A batch that is left is given time before somebody goes on with it; here it is made to look that old."""
    seed = random.SystemRandom().randrange(1_000_000)
    with _running_host(kafka, database_dsn, tmp_path) as host:
        _kill_and_count(host, seed, deliveries=1_500, kills=3, rate_per_second=400, ages_batches=True)


@pytest.mark.soak
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("seed", range(3))
def test_a_job_over_fifty_thousand_deliveries_survives_ten_kills_exactly(
    kafka: KafkaBroker, database_dsn: str, tmp_path: Path, seed: int
) -> None:
    with _running_host(kafka, database_dsn, tmp_path) as host:
        _kill_and_count(host, seed, deliveries=50_000, kills=10, rate_per_second=5_000, ages_batches=False)
