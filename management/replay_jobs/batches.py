"""Going through a job's selection: read a part of it, decide on each, write that down, publish, mark it as done.

Whoever stops between two of these steps leaves what the next one needs: a batch that is written down is published once,
since what of it stands behind the noted end of its partition is not published again.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from infra import metrics
from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.errors import KafkaUnavailableError
from infra.postgres import Pool
from management.replay_jobs.core.rates import BATCH_RECORDS_MAX
from management.replay_jobs.deciding import GONE_WORDS, WEBHOOK_GONE, Decider, Readable
from management.replay_jobs.jobs import Batch, Disposition, Job, JobStore, Unpublished
from management.replay_jobs.selections import Cursor, LoggedStates, Selected, Selection
from management.replaying.places import FoundRecord, Lost, OffsetRange, Place
from management.replaying.publishing import ACK_SECONDS_MAX, RecordPublisher
from management.replaying.reading import RecordReader
from management.replaying.records import replay_record
from management.replaying.stored import NOT_RECORDED, stored_record
from management.webhook_tests.records import RawRecord

#: Bodies of one batch are in memory together.
BATCH_BYTES_MAX = 33_554_432
_READ_SECONDS_MAX = 30.0
_SCANNED_RECORDS_MAX = 5_000
#: A client gives up what is not acknowledged by then, also one that stood still meanwhile: only then is it known what
#: of a batch is there.
_SETTLED_SECONDS = ACK_SECONDS_MAX + 7.0
#: Who stood still for longer since it wrote a batch down leaves it: by then somebody else may go on with it.
_STOOD_STILL_SECONDS = 5.0
_ANOTHER = "another record stands at its place: the topic was made anew"

StillLeads = Callable[[], object]


class _Noted(NamedTuple):
    """A batch that is written down, with what its members are made of; `at` is of the monotonic clock, before that.

    `there` are members that are published already.
    """

    batch: Batch
    found: dict[str, FoundRecord | Lost]
    at: float
    there: frozenset[str] = frozenset()


class BatchWork:
    """For one thread. Raises as the stores do, and KafkaUnavailableError; then it is gone on with later."""

    def __init__(self, pool: Pool, clickhouse: ClickHouse, store: JobStore, publisher: RecordPublisher) -> None:
        self._clickhouse = clickhouse
        self._store = store
        self._decider = Decider(pool, store)
        self._publisher = publisher

    def next_batch(self, job: Job, reader: RecordReader, room: int) -> int | None:
        """Deal with the next records of a job, at most `room`; how many were published. None: none is left."""
        cursor = self._store.next_cursor(job)
        if cursor is None:
            return None
        with metrics.REPLAY_BATCH_SECONDS.time():
            noted = self._note(job, cursor, reader, room)
            return 0 if noted is None else self._publish(job, noted)

    def resume(self, job: Job, reader: RecordReader, still_leads: StillLeads) -> bool:
        """Bring a batch that somebody left to its end. False: it is too fresh to tell what of it is there."""
        batch = self._store.batch_in_hand(job)
        if batch is None or batch.age_seconds < _SETTLED_SECONDS:
            return False
        there = self._find(batch, reader, still_leads)
        members = [member for member in batch.members if member.new_delivery_id not in there]
        found = self._read(job, [_selected_of(member) for member in members], reader)
        at = time.monotonic()
        if self._store.take_up(job, batch):
            self._publish(job, _Noted(batch._replace(members=members), found, at, there))
            metrics.REPLAY_BATCHES_RESUMED.inc()
        return True

    def _note(self, job: Job, cursor: Cursor, reader: RecordReader, room: int) -> _Noted | None:
        selection = Selection(self._clickhouse, job.tenant_id, job.id, job.planning_attempts)
        selected = _fitting(selection.page(cursor, min(room, BATCH_RECORDS_MAX)))
        if not selected:
            raise KafkaUnavailableError(f"the selection of {cursor.topic}:{cursor.partition} is not there yet")
        found = self._read(job, selected, reader)
        logged = LoggedStates(self._clickhouse, job.tenant_id)
        decided = self._decider.decide(
            job, [Readable(one, found[one.delivery_id]) for one in selected], logged, at_us=now_us()
        )
        end = reader.end_of(cursor.topic, cursor.partition) if cursor.topic else 0
        behind = Cursor(cursor.topic, cursor.partition, selected[-1].offset, UUID(selected[-1].delivery_id))
        at = time.monotonic()
        if not self._store.note(job, behind, decided, end):
            return None
        batch = self._store.batch_in_hand(job)
        return None if batch is None else _Noted(batch, found, at)

    def _read(self, job: Job, wanted: Sequence[Selected], reader: RecordReader) -> dict[str, FoundRecord | Lost]:
        """By delivery id: the record in its topic, else as the log has it, else why it is lost."""
        places = [Place(one.topic, one.partition, one.offset) for one in wanted if one.topic]
        read = reader.read(places, seconds_max=_READ_SECONDS_MAX)
        found: dict[str, FoundRecord | Lost] = {}
        for one in wanted:
            record = read.get(Place(one.topic, one.partition, one.offset), Lost(None, NOT_RECORDED))
            is_it = isinstance(record, FoundRecord) and _ids(record) == (str(job.tenant_id), one.delivery_id)
            found[one.delivery_id] = record if is_it or isinstance(record, Lost) else Lost(record.place, _ANOTHER)
        gone = [one for one in wanted if isinstance(found[one.delivery_id], Lost) and one.topic]
        rows = LoggedStates(self._clickhouse, job.tenant_id).stored(gone)
        for one in gone:
            row = rows.get(one.delivery_id)
            stored = Lost(None, NOT_RECORDED) if row is None else stored_record(row)
            found[one.delivery_id] = _of_both(found[one.delivery_id], stored)
        return found

    def _publish(self, job: Job, noted: _Noted) -> int:
        configs = self._decider.configs(job, {str(member.webhook_id) for member in noted.batch.members})
        records: list[RawRecord] = []
        unpublished: list[Unpublished] = []
        for member in noted.batch.members:
            new_id, at_us = str(member.new_delivery_id), int(member.replayed_at_us or 0)
            found, config = noted.found[member.delivery_id], configs.get(str(member.webhook_id))
            if isinstance(found, Lost):
                unpublished.append(Unpublished(new_id, "lost", "lost", found.reason))
            elif config is None:
                unpublished.append(Unpublished(new_id, "refused", WEBHOOK_GONE, GONE_WORDS))
            else:
                made = replay_record(
                    found, config, replay_id=str(job.id), mode=job.mode, delivery_id=new_id, at_us=at_us
                )
                records.append(made)
        if time.monotonic() - noted.at > _STOOD_STILL_SECONDS:
            raise KafkaUnavailableError("a batch was not published in time; it is looked at again")
        if records:
            self._publisher.publish(records)
        published = [record.headers.delivery_id for record in records]
        self._store.finish(job, noted.batch, [*published, *noted.there], unpublished)
        return len(records)

    def _find(self, batch: Batch, reader: RecordReader, still_leads: StillLeads) -> frozenset[str]:
        """Which members stand in their partition."""
        wanted = {str(member.new_delivery_id) for member in batch.members}
        topic, partition = batch.cursor.topic, batch.cursor.partition
        if not wanted:
            return frozenset()
        end = reader.end_of(topic, partition)
        next_offset, found = batch.end_offset, set[str]()
        while next_offset < end and found != wanted:
            still_leads()
            step = reader.scan(OffsetRange(topic, partition, next_offset, end - 1), records_max=_SCANNED_RECORDS_MAX)
            found |= wanted & {record.headers.delivery_id for record in step.records}
            if step.is_done:
                break
            next_offset = step.next_offset
        return frozenset(found)


def _fitting(selected: Sequence[Selected]) -> list[Selected]:
    """As many as fit into memory, and at least one."""
    taken: list[Selected] = []
    size = 0
    for one in selected:
        size += one.body_bytes
        if taken and size > BATCH_BYTES_MAX:
            break
        taken.append(one)
    return taken


def _selected_of(member: Disposition) -> Selected:
    """A member as it was selected."""
    place = (member.topic or "", member.partition or 0, member.record_offset or 0)
    ids = (member.delivery_id, member.origin_id, str(member.webhook_id))
    return Selected(*place, *ids, member.received_at_us or 0, 0)


def _of_both(in_topic: FoundRecord | Lost, stored: FoundRecord | Lost) -> FoundRecord | Lost:
    """Of a record that its topic does not have: as the log has it, or both reasons."""
    if isinstance(stored, Lost) and isinstance(in_topic, Lost):
        return Lost(in_topic.where, f"{in_topic.reason}; {stored.reason}")
    return stored


def _ids(record: FoundRecord) -> tuple[str, str]:
    return record.headers.tenant_id, record.headers.delivery_id
