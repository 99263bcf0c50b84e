"""From what was asked for to a frozen selection: of the log in one statement, of topics part by part."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.clickhouse import ClickHouse
from infra.kafka import admin_client
from infra.queries import load_queries
from infra.settings import Settings
from infra.topics import topic_incarnations
from management.deliveries.conditions import conditions_of
from management.deliveries.filters import DeliveryExport
from management.log_reader import Conditions
from management.paging import LAST_US, microseconds, window_of_ids
from management.replay_jobs.core.states import Cause, Standing, State, after_planning
from management.replay_jobs.jobs import Disposition, Job, JobStore
from management.replay_jobs.log_progress import LogProgress
from management.replay_jobs.selections import Selected, Selection, in_deleted_range, with_ids
from management.replaying.places import FoundRecord, OffsetRange
from management.replaying.reading import RecordReader
from management.replaying.records import origin_id_of

#: Blocks of the filters of deliveries.
DELIVERY_QUERIES = Path(__file__).parents[1] / "deliveries" / "queries.sql"
#: A job may select so many deliveries; a plan that selects more fails.
SELECTED_MAX = 10_000_000
#: A plan that was begun so often takes longer than it may, or ends its process.
ATTEMPTS_MAX = 5
#: Records of a range that are read in one turn.
SCANNED_RECORDS_MAX = 2_000
_WAITING = "analytics has not yet put into the log all that came before this was asked for"
_NOT_IN_LOG = "the log has no such delivery"


class Planner:
    """Everything may be done twice. Raises as the stores do, KafkaUnavailableError."""

    def __init__(self, store: JobStore, clickhouse: ClickHouse, settings: Settings) -> None:
        self._store = store
        self._clickhouse = clickhouse
        self._kafka = settings.kafka
        self._progress = LogProgress(settings)
        self._delivery_queries = load_queries(DELIVERY_QUERIES)

    def close(self) -> None:
        """Let the connections go."""
        self._progress.close()

    def go_on(self, job: Job, reader: RecordReader) -> bool:
        """The next part of the plan. False: the log has not yet what was there when the job was asked for."""
        offsets = "offsets" in job.selection
        if not offsets and not self._progress.has_all(job):
            self._store.note_waiting(job, _WAITING)
            return False
        attempt = 1 if offsets and job.planning_attempts else self._store.begin_planning(job)
        if attempt is not None:
            self._plan(job, attempt, reader)
        return True

    def _plan(self, job: Job, attempt: int, reader: RecordReader) -> None:
        offsets = "offsets" in job.selection
        if attempt > ATTEMPTS_MAX:
            reason = f"the selection was not found in {ATTEMPTS_MAX} attempts: narrow it"
            self._store.end(job, Standing(State.FAILED, Cause.ERROR, reason))
            return
        selection = Selection(self._clickhouse, job.tenant_id, job.id, attempt)
        if offsets and not self._scan(job, selection, reader):
            return
        if not offsets:
            self._freeze(job, selection)
        self._end(job, selection, attempt)

    def _freeze(self, job: Job, selection: Selection) -> None:
        wanted = job.selection
        if "delivery_ids" in wanted:
            since_us, until_us = window_of_ids(wanted["delivery_ids"])
            conditions = with_ids(wanted["delivery_ids"])
        else:
            exported = asked_export(wanted)
            conditions = conditions_of(exported, self._delivery_queries, now=datetime.now(UTC))
            since_us = 0 if exported.since is None else microseconds(exported.since)
            until_us = LAST_US if exported.until is None else microseconds(exported.until)
        selection.freeze(conditions, since_us=max(0, since_us), until_us=min(until_us, job.asked_at_us))

    def _scan(self, job: Job, selection: Selection, reader: RecordReader) -> bool:
        """Read a part of a range; whether all ranges are read."""
        row = self._store.next_range(job)
        if row is None:
            return True
        wanted = OffsetRange(row["topic"], row["partition"], row["next_offset"], row["last_offset"])
        step = reader.scan(wanted, records_max=SCANNED_RECORDS_MAX)
        own = [found for found in step.records if found.headers.tenant_id == str(job.tenant_id)]
        selection.freeze_records([_selected(found) for found in own])
        reached: dict[str, Any] = {"next_offset": step.next_offset, "is_read": step.is_done}
        deleted = [one.where for one in step.lost if isinstance(one.where, OffsetRange)]
        reached |= {"deleted_first": None, "deleted_end": None}
        if deleted:
            reached |= {"deleted_first": deleted[0].first, "deleted_end": deleted[-1].last + 1}
            self._freeze_deleted(job, selection, deleted)
        self._store.note_range(job, row["number"], **reached)
        return False

    def _freeze_deleted(self, job: Job, selection: Selection, deleted: Sequence[OffsetRange]) -> None:
        """What the log knows of records that a topic keeps no longer may be replayed from there, or is lost by name."""
        incarnations = topic_incarnations(admin_client(self._kafka, "hookline-replays"), [deleted[0].topic])
        for one in deleted:
            conditions: Conditions = in_deleted_range(
                one.topic, incarnations[one.topic], one.partition, first=one.first, end=one.last + 1
            )
            selection.freeze(conditions, since_us=0, until_us=job.asked_at_us)

    def _end(self, job: Job, selection: Selection, attempt: int) -> None:
        partitions = selection.partitions()
        lost = [
            Disposition(delivery_id, delivery_id, None, None, None, None, None, "lost", "not_in_log", _NOT_IN_LOG)
            for delivery_id in selection.missing(job.selection.get("delivery_ids", ()))
        ]
        selected = sum(partitions.values()) + len(lost)
        if selected > SELECTED_MAX:
            reason = f"{selected:,} deliveries are selected, more than {SELECTED_MAX:,}: narrow it"
            self._store.end(job, Standing(State.FAILED, Cause.ERROR, reason))
            return
        to = after_planning(selected, plan_only=job.plan_only, confirmed_records=job.confirm_records)
        self._store.note_planned(job, attempt, partitions, lost, to)


def asked_export(selection: Mapping[str, Any]) -> DeliveryExport:
    """A filter or a time range as the log's export takes it. Raises ValueError for members that are none."""
    if "filter" in selection:
        return DeliveryExport.model_validate(selection["filter"])
    webhook_ids = [selection["webhook_id"]] if "webhook_id" in selection else []
    return DeliveryExport.model_validate({**selection, "webhook_id": webhook_ids})


def _selected(found: FoundRecord) -> Selected:
    headers = found.headers
    return Selected(
        *found.place,
        headers.delivery_id,
        origin_id_of(headers),
        headers.webhook_id,
        headers.received_at_us,
        len(found.value),
    )
