"""Processors join, leave and die under load; keys are counted: none lost, none under two identities."""

import os
import random
from pathlib import Path

import pytest

from hookline.embedded.kafka import start_kafka
from infra.kafka import PolledProducer, admin_client
from infra.settings import KafkaSettings
from infra.topics import apply_topics
from tests.support.processors import Feed, Outcome, Workers, count, shake, wait_until_idle
from tests.support.requests import publish

pytestmark = pytest.mark.proof

_REQUESTS_PER_SECOND = 2_000
#: In a normal run, and in each of the soak runs.
_SECONDS, _SECONDS_SOAK = 15.0, 25.0


def _run(folder: Path, seed: int, seconds: float) -> tuple[Outcome, list[str]]:
    """One seeded run: a feed, and workers that come and go at random times."""
    with start_kafka(folder / "kafka") as broker:
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        apply_topics(kafka, admin_client(kafka, "test"))
        producer = PolledProducer(kafka, client_id="test", ack_timeout_seconds=60)
        publish(producer)
        workers = Workers(kafka, folder / "workers")
        feed = Feed(producer, seed, _REQUESTS_PER_SECOND, seconds)
        feeding = feed.start()
        try:
            steps = shake(workers, random.Random(seed), seconds)
            feeding.join()
            wait_until_idle(kafka)
            return count(kafka, feed.sent), steps
        finally:
            workers.stop_all()
            producer.close(5)


def _assert_exact(outcome: Outcome, steps: list[str], seconds: float) -> None:
    assert outcome.exact, f"{outcome} after {steps}"
    assert outcome.requests == int(_REQUESTS_PER_SECOND * seconds)
    assert outcome.keys < outcome.requests, "the feed repeats keys, or duplicates were not tested"
    assert any(not step.startswith("start") for step in steps), "nobody left: the run tested nothing"


@pytest.mark.timeout(280)
def test_processors_that_join_leave_and_die_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("HOOKLINE_TEST_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"seed {seed}")  # noqa: T201  # shown when it fails
    _assert_exact(*_run(tmp_path, seed, _SECONDS), _SECONDS)


@pytest.mark.soak
@pytest.mark.timeout(280)
@pytest.mark.parametrize("seed", range(20))
def test_twenty_seeded_runs_lose_nothing_and_double_nothing(tmp_path: Path, seed: int) -> None:
    _assert_exact(*_run(tmp_path, seed, _SECONDS_SOAK), _SECONDS_SOAK)
