"""A management process that is killed ten times over 50,000 replayed deliveries leaves none to skip or to double."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from hookline.embedded.postgres import PostgresServer
from infra.clickhouse import ClickHouse
from infra.postgres import open_pool
from infra.settings import Settings
from infra.topics import RECEIVED
from tests.support.management import ManagementBase, make_tenant, owner_of
from tests.support.replay_jobs import FAST, Json, ReplayStage, own_broker
from tests.support.wait import eventually
from tests.support.webhooks import create_webhook

DELIVERIES, KILLS, SEED = 50_000, 10, 8
_READY_SECONDS = 90.0
_PROGRESS_SECONDS = 120.0


@dataclass
class ManagementProcess:
    """`hookline run management`, on one data folder whenever it is started."""

    settings: Settings
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        kafka, postgres = self.settings.kafka, self.settings.postgres
        environment = {
            **os.environ,
            "HOOKLINE_KAFKA__BOOTSTRAP": kafka.bootstrap,
            "HOOKLINE_KAFKA__REQUEST_PARTITIONS": str(kafka.request_partitions),
            "HOOKLINE_POSTGRES__DSN": postgres.dsn.get_secret_value(),
            "HOOKLINE_CLICKHOUSE__PATH": str(self.folder / "clickhouse"),
            "HOOKLINE_MASTER_KEY_FILE": str(self.settings.master_key_file),
            "HOOKLINE_MANAGEMENT__PORT": str(self.port),
            "HOOKLINE_ALERTS__ENABLED": "false",
            "HOOKLINE_REPLAYS__LAG_SECONDS_MAX": "86400",
        }
        with (self.folder / "log.jsonl").open("ab") as log:
            arguments = [sys.executable, "-m", "hookline", "run", "management"]
            self.process = subprocess.Popen(arguments, env=environment, stdout=log, stderr=log)
        eventually(self._is_ready, timeout_seconds=_READY_SECONDS, what="the management process to be ready")

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False


@contextmanager
def staged(settings: Settings, clickhouse: ClickHouse, port: int) -> Iterator[ReplayStage]:
    dsn = settings.postgres.dsn.get_secret_value()
    tenants = make_tenant(dsn, "acme"), make_tenant(dsn, "globex")
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)
    with owner_of(dsn) as owner, open_pool(settings.postgres) as pool, client as api:
        base = ManagementBase(dsn, owner, settings, api, *tenants)
        with closing(ReplayStage(base, clickhouse, pool)) as made:
            yield made


def has_published(stage: ReplayStage, job: Json, target: int) -> bool:
    """Asked of Postgres, as the process may just be dead."""
    [row] = stage.base.rows("SELECT published FROM replays WHERE id = %s", (job["id"],))
    return bool(row["published"] >= target)


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_ten_kills_over_fifty_thousand_deliveries_neither_skip_nor_double(
    postgres: PostgresServer, clickhouse_engine: ClickHouse, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    with own_broker(postgres, tmp_path) as settings:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        process = ManagementProcess(settings, tmp_path, port)
        process.start()
        try:
            with staged(settings, clickhouse_engine, process.port) as stage:
                origins = stage.send(create_webhook(stage.base, "soaked"), DELIVERIES, keys=500)
                ranges = [f"{RECEIVED}:{number}:0-{DELIVERIES}" for number in range(2)]
                job = stage.ask(selection={"offsets": ranges}, rate_per_second=FAST, confirm_records=DELIVERIES)
                for number in range(KILLS):
                    target = DELIVERIES * number // KILLS + chance.randrange(DELIVERIES // KILLS)
                    eventually(
                        partial(has_published, stage, job, target),
                        timeout_seconds=_PROGRESS_SECONDS,
                        what=f"{target} records to be published",
                    )
                    process.kill()
                    process.start()
                eventually(lambda: stage.shown(job)["state"] == "done", timeout_seconds=300, what="the job to be done")
                assert stage.shown(job)["counts"]["published"] == DELIVERIES
                stage.check_each_once_in_order(job, origins)
        finally:
            process.kill()
