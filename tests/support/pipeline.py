"""The pipeline on a real RocksDB partition, with a recording outputs: decisions without a broker."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rocksdict

from infra.actions.registry import load_actions
from infra.enrichment.clients import surroundings_of
from infra.settings import ProcessorSettings, Settings, SlaSettings
from infra.sla import OutcomeMeter
from infra.topics import EXPEDITED, RECEIVED, RELEASED
from infra.webhooks import Webhook
from processors.host.lease import Batch
from processors.host.progress import Partition
from processors.host.table import PartitionTable
from processors.pipeline import Lane, RequestPipeline
from processors.plans import Plans
from schemas.webhooks import WebhookConfig
from tests.support.requests import TENANT_ID, WEBHOOK_ID, Request

INCARNATION = "AAAAAAAAAAAAAAAAAAAAAA"
LANES = {
    RECEIVED: Lane(0, INCARNATION, b"received"),
    EXPEDITED: Lane(1, INCARNATION, b"expedite"),
    RELEASED: Lane(2, INCARNATION, b"released"),
}


class RocksStore:
    """What the batch host needs of Faust's store, on real RocksDB databases below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._dbs: dict[int, Any] = {}

    def partition_path(self, partition: int) -> Path:
        return self._folder / f"{partition}.db"

    def _db_for_partition(self, partition: int) -> Any:
        if partition not in self._dbs:
            options = rocksdict.Options(raw_mode=True)
            options.create_if_missing(True)
            self._dbs[partition] = rocksdict.Rdict(str(self.partition_path(partition)), options)
        return self._dbs[partition]


@dataclass
class RecordedOutputs:
    """Keeps what would be produced."""

    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def send(self, topic: str, **message: Any) -> None:
        self.sent.append((topic, message))

    def values(self, topic: str) -> list[dict[str, Any]]:
        """Decoded values sent to `topic`."""
        return [json.loads(message["value"]) for name, message in self.sent if name == topic]


class FixedWebhooks:
    """A table of webhooks that a test sets directly."""

    def __init__(self, *configs: WebhookConfig) -> None:
        self.configs = {(config.tenant_id, config.webhook_id): Webhook(config, ()) for config in configs}

    def by_id(self, tenant_id: str, webhook_id: str) -> Webhook | None:
        return self.configs.get((tenant_id, webhook_id))


@dataclass
class Record:
    """A consumed record, with the methods of confluent_kafka.Message that the pipeline uses."""

    message: dict[str, Any]
    at_offset: int
    of_topic: str = RECEIVED

    def headers(self) -> Any:
        return self.message.get("headers")

    def value(self) -> Any:
        return self.message.get("value")

    def key(self) -> Any:
        return self.message.get("key")

    def offset(self) -> int:
        return self.at_offset

    def topic(self) -> str:
        return self.of_topic

    def partition(self) -> int:
        return 0

    def timestamp(self) -> tuple[int, int]:
        return 1, int(self.message.get("timestamp", 0))


class PipelineUnderTest:
    """Feeds records of partition 0 to a pipeline, batch by batch."""

    def __init__(self, folder: Path, config: WebhookConfig, **settings: Any) -> None:
        self.webhooks = FixedWebhooks(config)
        # A pause of this process in the middle of a mapping is not to be taken for a mapping that runs away.
        processors = ProcessorSettings(**{"mapping_timeout_milliseconds": 5_000, **settings})
        plans = Plans(self.webhooks, load_actions(), surroundings_of(Settings()), processors)  # type: ignore[arg-type]  # a fake table
        self.pipeline = RequestPipeline(processors, plans, LANES, OutcomeMeter(SlaSettings()))
        self.table = PartitionTable(RocksStore(folder), 0, changelog_end=0)
        self._next_offset = 0

    def records(self, *requests: Request) -> list[Record]:
        """Requests as records at the next offsets."""
        made = [Record(request.message, self._next_offset + index) for index, request in enumerate(requests)]
        self._next_offset += len(made)
        return made

    async def process(self, records: list[Record]) -> RecordedOutputs:
        """One batch, applied to the table as after its acknowledgement; returns what it produced."""
        outputs, writes = RecordedOutputs(), self.table.begin()
        topic = records[0].of_topic
        end = records[-1].at_offset + 1
        place = Partition(topic, 0)
        batch = Batch(None, place, list(records), end, self.table, None)  # type: ignore[arg-type]  # without a lease
        await self.pipeline.handle(batch, outputs, writes)  # type: ignore[arg-type]  # a recording outputs
        self.table.apply(writes)
        return outputs

    async def receive(self, *requests: Request) -> RecordedOutputs:
        """`records` and `process` in one."""
        return await self.process(self.records(*requests))

    def sweep(self) -> int:
        """One slice of expiry; returns how many entries it deleted."""
        writes = self.table.begin()
        self.pipeline.expire(self.table, writes)
        self.table.apply(writes)
        return len(writes.changes)

    @staticmethod
    def webhook_key() -> tuple[str, str]:
        return TENANT_ID, WEBHOOK_ID
