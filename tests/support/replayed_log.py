"""Deliveries that stand both in Kafka and in the log, as after a day's work; a record may be missing in Kafka."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from confluent_kafka import Producer

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.ids import uuid7_text
from infra.kafka import producer_properties
from infra.topics import RECEIVED
from schemas.records import RequestFacts
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Rows, Source
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import FACTS, MadeRecord, outcome_record, request_record
from tests.support.delivery_log import DAY_US
from tests.support.management import ManagementBase

Json = dict[str, Any]
_FAR_OFFSET = 10**12


@dataclass
class ReplayedLog:
    """Of one webhook. `at_us` is when the next request comes; all of its records are in one partition."""

    base: ManagementBase
    clickhouse: ClickHouse
    webhook_id: str
    partition: int = 0
    at_us: int = field(default_factory=lambda: now_us() - DAY_US)

    def __post_init__(self) -> None:
        self._producer = Producer(producer_properties(self.base.settings.kafka, "test", ack_timeout_seconds=30))

    def delivery(
        self,
        body: Json | bytes,
        *,
        facts: Json | None = None,
        outcome: Json | None = None,
        in_kafka: bool = True,
        **members: Any,
    ) -> tuple[str, int]:
        """Id and offset of a request; `outcome` has members of DeliveryRecord, `members` are of DeliveryHeaders."""
        self.at_us += 1_000
        delivery_id = uuid7_text(self.at_us)
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        shown = RequestFacts.model_validate({**FACTS.model_dump(), **(facts or {})}).model_dump_json().encode()
        names = {"tenant_id": str(self.base.tenant.id), "webhook_id": self.webhook_id, **members}
        made = request_record(delivery_id, self.at_us, raw, request=shown, **names)
        offset = self._publish(made) if in_kafka else _FAR_OFFSET + self.at_us
        source = self._source()
        self._write(build_requests([MadeRecord(made.key(), raw, made.headers(), offset)], source), source)
        if outcome is not None:
            names.pop("config_version", None)
            self._outcome(delivery_id, {"tenant_id": names["tenant_id"], "webhook_id": self.webhook_id, **outcome})
        return delivery_id, offset

    def _publish(self, made: MadeRecord) -> int:
        places: list[int] = []
        self._producer.produce(
            RECEIVED,
            made.value(),
            key=made.key(),
            headers=made.headers(),
            partition=self.partition,
            timestamp=self.at_us // 1_000,
            on_delivery=lambda error, message: places.append(message.offset() if error is None else -1),
        )
        assert self._producer.flush(30) == 0
        [offset] = places
        return offset

    def _outcome(self, delivery_id: str, members: Json) -> None:
        source = self._source()
        self._write(build_outcomes([outcome_record(delivery_id, self.at_us, **members)], source), source)

    def _source(self) -> Source:
        """Each batch is another one, whatever its offsets are."""
        return Source(RECEIVED, uuid.uuid4().hex, self.partition)

    def _write(self, rows: Sequence[Rows], source: Source) -> None:
        BatchWriter(self.clickhouse).write(rows, source, 0, 1)
