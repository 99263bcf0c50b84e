"""A slow record at the head of its partition: the committed offset never passes it, and nothing behind it is lost."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from hookline.embedded.kafka import start_kafka
from infra.kafka import Outbox, PolledProducer, admin_client, consumer_properties
from infra.settings import KafkaSettings
from infra.topics import RECEIVED, apply_topics
from tests.support.processors import GROUP, count, wait_until_idle
from tests.support.requests import MASTER_KEY, alert_request, publish
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

#: The real pipeline, which waits at the record "slow" until a file appears.
_PROGRAM = """
import asyncio, os, sys
from infra import log
log.configure(role="processors")
from infra.settings import Settings
from processors.main import create_pipeline, run
from processors.pipeline import RequestPipeline

class Slow(RequestPipeline):
    async def handle(self, batch, outputs, writes):
        if any(b'"slow"' in message.value() for message in batch.messages):
            open(sys.argv[1] + ".met", "w").close()
            while not os.path.exists(sys.argv[1]):
                await asyncio.sleep(0.05)
        await super().handle(batch, outputs, writes)

def create(settings, webhooks, admin):
    made = create_pipeline(settings, webhooks, admin)
    made.__class__ = Slow
    return made

run(Settings(), create)
"""


@pytest.fixture
def broker_settings(tmp_path: Path) -> Iterator[KafkaSettings]:
    with start_kafka(tmp_path / "kafka") as broker:
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        apply_topics(kafka, admin_client(kafka, "test"))
        yield kafka


@pytest.fixture
def release(tmp_path: Path, broker_settings: KafkaSettings) -> Iterator[Path]:
    """The file that lets the slow record go on; the processors run meanwhile."""
    file = tmp_path / "go-on"
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "HOOKLINE_KAFKA__BOOTSTRAP": broker_settings.bootstrap,
        "HOOKLINE_DATA_DIR": str(tmp_path / "data"),
        "HOOKLINE_MASTER_KEY": MASTER_KEY,
        "HOOKLINE_HEALTH__PORT": "0",
        "HOOKLINE_PROCESSORS__BATCH_RECORDS_MAX": "5",
        "HOOKLINE_PROCESSORS__COMMIT_INTERVAL_SECONDS": "0.1",
    }
    with (tmp_path / "processors.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(file)], env=environment, stdout=log, stderr=log)
    yield file
    process.kill()
    process.wait()


def test_the_committed_offset_never_passes_a_slow_head(broker_settings: KafkaSettings, release: Path) -> None:
    producer = PolledProducer(broker_settings, client_id="test", ack_timeout_seconds=30)
    publish(producer)
    before = [alert_request(f"before-{number}") for number in range(40)]
    slow = alert_request("slow")
    behind = [alert_request(f"behind-{number}") for number in range(40)]
    head = TopicPartition(RECEIVED, 3)
    outbox = Outbox(producer)
    for request in [*before, slow, *behind]:
        outbox.send(RECEIVED, **(request.message | {"partition": head.partition}))
    outbox.wait(30)
    watcher = Consumer(consumer_properties(broker_settings, "watch", GROUP))

    def committed() -> int:
        return max(0, int(watcher.committed([head], timeout=20)[0].offset))

    met = release.with_name(release.name + ".met")
    eventually(met.exists, timeout_seconds=60, what="the processors to meet the slow record")
    seen = [eventually(committed, timeout_seconds=30, what="what stands before it to be committed")]
    seen += [committed() for _ in range(50)]
    assert 0 < max(seen) <= len(before), "the position passed a record that is not done"
    release.touch()
    wait_until_idle(broker_settings)
    assert committed() == len(before) + 1 + len(behind)
    watcher.close()
    assert count(broker_settings, [*before, slow, *behind]).exact
    producer.close(5)
