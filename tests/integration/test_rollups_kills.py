"""The rollups after many kills of the process that writes the log and counts it; test_analytics_sink.py has a few."""

import json
import random
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hookline.embedded.kafka import KafkaBroker
from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.settings import ClickHouseSettings, Settings
from infra.topics import RECEIVED, RECORDED
from tests.integration.test_analytics_sink import await_committed, kill_while_it_inserts, lines_of
from tests.support.analytics import (
    ROOT,
    AnalyticsProcess,
    MadeRecord,
    Records,
    analytics_settings,
    begin_at_the_end,
    make_topics,
)
from tests.support.rollups import HOUR_US, SLA, SPANS, Counts, Log, Made, check, make, truth

KILLS = 20
DELIVERIES_PER_KILL = 1_500
COUNTED = "analytics.rollups.counted"


@pytest.mark.soak
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", range(3))
def test_after_twenty_kills_of_the_sink_the_rollups_equal_what_was_sent(
    kafka: KafkaBroker, clickhouse_engine: ClickHouse, tmp_path: Path, seed: int
) -> None:
    """Requests, late outcomes and redelivered records flow; each process is killed at a moment of its own."""
    chance = random.Random(seed)
    folder = ClickHouseSettings(path=tmp_path / "clickhouse")
    settings = _eager(analytics_settings(kafka.bootstrap, folder, group_id=f"rollups-{uuid.uuid4().hex[:8]}"))
    make_topics(settings)
    begin_at_the_end(settings)
    records, sent = Records(settings), Log(clickhouse_engine)
    webhooks = [str(uuid.uuid4()) for _ in range(5)]
    lines, late = tmp_path / "sink.log", list[Made]()
    for _ in range(KILLS):
        late = _send(chance, records, sent, webhooks, late)
        kill_while_it_inserts(settings, lines, chance.random() * 1.5)
    final = AnalyticsProcess(settings, lines)
    await_committed(settings)
    assert final.stop() == 0
    found = _rolled_up_elsewhere(settings, sent.tenant_id)
    replayed, counted = lines_of(lines, '"replayed": true'), lines_of(lines, COUNTED)
    print(f"{KILLS} kills, {len(sent.made)} deliveries, {replayed} batches replayed, {counted} counts")  # noqa: T201
    assert replayed > 0, "no kill fell between a plan and its commit: the test showed nothing"
    assert counted > KILLS / 2
    assert found["rows"] == len(sent.made) == KILLS * DELIVERIES_PER_KILL
    for span in SPANS:
        rows: Counts = {(webhook, at, traffic): row for (webhook, at, traffic), row in found[span]}
        check(rows, truth(sent.made.values(), span))
        print(f"{len(rows)} rows per {span}")  # noqa: T201


def _eager(settings: Settings) -> Settings:
    """Small batches, counts so often that kills meet them, and targets that some deliveries miss."""
    bounds = {"batch_records_max": 200, "rollup_interval_seconds": 0.1}
    return settings.model_copy(update={"analytics": settings.analytics.model_copy(update=bounds), "sla": SLA})


def _send(
    chance: random.Random, records: Records, sent: Log, webhooks: Sequence[str], late: Sequence[Made]
) -> list[Made]:
    """Requests, then outcomes of most of them and of earlier ones, some twice; those that end later."""
    now = now_us()
    made = [
        make(chance, chance.choice(webhooks), now - chance.randrange(2 * HOUR_US)) for _ in range(DELIVERIES_PER_KILL)
    ]
    ending = [one for one in [*late, *made] if one.ended is not None]
    chance.shuffle(ending)
    now_ending, later = ending[len(ending) // 4 :], ending[: len(ending) // 4]
    _produce(chance, records, RECEIVED, [sent.request_of(one) for one in made])
    _produce(chance, records, RECORDED, [sent.outcome_of(one) for one in now_ending])
    sent.know(made, now_ending)
    return later


def _produce(chance: random.Random, records: Records, topic: str, made: Sequence[MadeRecord]) -> None:
    for one in made:
        for _ in range(chance.choice((1,) * 19 + (2,))):
            records.raw(topic, one.value(), key=one.key(), record_headers=one.headers())
    records.flush()


def _rolled_up_elsewhere(settings: Settings, tenant_id: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.support.rollups", str(settings.clickhouse.path), tenant_id]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
