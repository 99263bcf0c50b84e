"""A delivery log that is written as the sink writes it, with what a reader must see of it at any moment."""

import random
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from infra.clickhouse import ClickHouse
from infra.ids import uuid7_text
from schemas.headers import Replay
from schemas.records import DispatchStatus
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Rows, Source
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import outcome_record, request_record

#: Deliveries of one batch lie so far apart: two of them share a moment.
STEP_US = 1_000
PER_MOMENT = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Deliveries that were received one after another, as their requests' rows."""

    delivery_ids: tuple[str, ...]
    from_us: int
    until_us: int
    rows: Sequence[Rows]
    first_offset: int


@dataclass
class LogWriter:
    """Writes batches of one webhook; `batches` are those whose requests are all written. One thread may write."""

    clickhouse: ClickHouse
    began_us: int
    chance: random.Random
    tenant_id: UUID = field(default_factory=uuid.uuid4)
    webhook_id: UUID = field(default_factory=uuid.uuid4)
    source: Source = field(default_factory=lambda: Source("topic", uuid.uuid4().hex, 0))
    batches: list[Batch] = field(default_factory=list)
    begun: int = 0

    def __post_init__(self) -> None:
        self._writer = BatchWriter(self.clickhouse)
        self._offset = 0

    @property
    def delivery_ids(self) -> list[str]:
        """All that are written, oldest first."""
        return [delivery_id for batch in list(self.batches) for delivery_id in batch.delivery_ids]

    def write_requests(self, deliveries: int, *, replay: Replay | None = None) -> Batch:
        """A batch of new requests, received after all before, each with an idempotency key."""
        from_us = self.batches[-1].until_us if self.batches else self.began_us
        times = [from_us + position // PER_MOMENT * STEP_US for position in range(deliveries)]
        delivery_ids = [uuid7_text(at_us) for at_us in times]
        records = [
            request_record(delivery_id, at_us, replay=replay, dedupe_key=f"key-{delivery_id}", **self._names())
            for delivery_id, at_us in zip(delivery_ids, times, strict=True)
        ]
        rows = build_requests(records, self.source)
        batch = Batch(tuple(delivery_ids), from_us, times[-1] + STEP_US, rows, self._next_offset())
        self.begun += deliveries
        self._insert(rows, batch.first_offset)
        self.batches.append(batch)
        return batch

    def write_outcomes(self, batch: Batch, stage: str, status: DispatchStatus) -> None:
        """How every delivery of a batch ended, as one stage says."""
        records = [
            outcome_record(
                delivery_id,
                batch.from_us + position // PER_MOMENT * STEP_US,
                stage=stage,
                dispatch_status=status,
                **self._names(),
            )
            for position, delivery_id in enumerate(batch.delivery_ids)
        ]
        self._insert(build_outcomes(records, self.source), self._next_offset())

    def redeliver(self, batch: Batch) -> None:
        """The same range again under the same token, as after a crash before the commit."""
        self._insert(batch.rows, batch.first_offset)

    def complete(self, batch: Batch) -> None:
        """Some of the same rows again under another token, as after a crash inside the insert."""
        wanted = self.chance.sample(range(len(batch.delivery_ids)), len(batch.delivery_ids) // 2)
        rows = [
            Rows(one.table, one.columns.take(wanted), one.offsets, one.presence_query, one.from_us, one.until_us)
            for one in batch.rows
        ]
        self._insert(rows, self._next_offset())

    def write_until(self, stopping: threading.Event) -> None:
        """Requests, outcomes, replays, redelivered and completed batches in any order, until `stopping` is set."""
        while not stopping.is_set():
            batch = self.chance.choice(self.batches)
            what = self.chance.randrange(6)
            if what == 0:
                self.write_requests(20)
            elif what == 1:
                replay = Replay(str(uuid.uuid4()), batch.delivery_ids[0], mode="redrive", depth=1)
                self.write_requests(20, replay=replay)
            elif what == 2:
                self.redeliver(batch)
            elif what == 3:
                self.complete(batch)
            elif what == 4:
                self.write_outcomes(batch, "processors", DispatchStatus.FILTERED)
            else:
                self.write_outcomes(batch, "actions", DispatchStatus.DISPATCHED)

    def _names(self) -> dict[str, Any]:
        return {"tenant_id": str(self.tenant_id), "webhook_id": str(self.webhook_id)}

    def _next_offset(self) -> int:
        self._offset += 1
        return self._offset

    def _insert(self, rows: Sequence[Rows], offset: int) -> None:
        self._writer.write(rows, self.source, offset, offset)
