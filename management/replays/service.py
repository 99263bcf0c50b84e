"""Replay jobs of a tenant: asked for and changed here, done by `management.replay_jobs.work`."""

from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from infra.clock import now_us, rfc3339_of
from infra.ids import uuid7_text
from infra.postgres import Row
from management.access import Actor
from management.deliveries.conditions import conditions_of
from management.errors import Problem, ValidationFailedError
from management.exports import ExportResponse, ExportRoom, Lines
from management.paging import Page, PageMeta
from management.replay_jobs.planning import asked_export
from management.replaying.places import Place, parse_range
from management.replays.repository import ReplayRepository
from management.replays.schemas import (
    Replay,
    ReplayChangeInput,
    ReplayCounts,
    ReplayCreateInput,
    ReplayDetail,
    ReplayJobFilter,
    ReplayPartition,
    ReplayRange,
    ReplayRecord,
    ReplayRecordExport,
    ReplayRecordFilter,
)

_TIMES = ("state_since", "asked_at", "planned_at", "started_at", "ended_at", "outcomes_at")
_RESULTS = ("published", "present", "lost", "refused")


class ReplayService:
    """Raises as the stores do."""

    def __init__(self, repository: ReplayRepository, exports: ExportRoom, delivery_queries: Mapping[str, str]) -> None:
        self._repository = repository
        self._exports = exports
        self._delivery_queries = delivery_queries

    def create(self, actor: Actor, wanted: ReplayCreateInput) -> Replay:
        """A new job, which is planned in the background. Raises ValidationFailedError, ConflictError."""
        selection = wanted.selection.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        if wanted.selection.filter is not None:
            self._check_filter(selection)
        replay: dict[str, Any] = {
            **wanted.model_dump(exclude={"selection"}),
            "id": UUID(uuid7_text(now_us())),
            "selection": selection,
            "asked_at": datetime.now(UTC),
        }
        ranges = [parse_range(text) for text in wanted.selection.offsets or ()]
        return shown_replay(self._repository.add(actor, replay, ranges))

    def change(self, actor: Actor, replay_id: UUID, what: str, given: ReplayChangeInput) -> Replay:
        """Confirm, pause, resume or stop. Raises NotFoundError, ConflictError."""
        return shown_replay(self._repository.change(actor, replay_id, what, given.reason))

    def get(self, tenant_id: UUID, replay_id: UUID) -> ReplayDetail:
        """One. Raises NotFoundError, also for another tenant's."""
        row, partitions, ranges = self._repository.view(tenant_id, replay_id)
        return ReplayDetail(
            **shown_replay(row).model_dump(),
            partitions=[
                ReplayPartition(**{**one, "last_offset": one["last_offset"] if one["passed"] else None})
                for one in partitions
            ],
            ranges=[_shown_range(one) for one in ranges],
        )

    def page(self, tenant_id: UUID, wanted: ReplayJobFilter) -> Page[Replay]:
        """A page, newest first."""
        rows, total = self._repository.page(tenant_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[shown_replay(row) for row in rows], meta=meta)

    def records(self, tenant_id: UUID, replay_id: UUID, wanted: ReplayRecordFilter) -> Page[ReplayRecord]:
        """A page, in the order of the job. Raises NotFoundError."""
        rows, total = self._repository.records(tenant_id, replay_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[_shown_record(row) for row in rows], meta=meta)

    def export(self, tenant_id: UUID, replay_id: UUID, wanted: ReplayRecordExport) -> ExportResponse:
        """All records, as a file. Raises NotFoundError, TooManyRequestsError while others take all the room."""
        self._repository.get(tenant_id, replay_id)
        chunks = self._exports.held(self._chunks(tenant_id, replay_id, wanted))
        return ExportResponse(chunks, wanted.format, "replay-records", datetime.now(UTC))

    def _chunks(self, tenant_id: UUID, replay_id: UUID, wanted: ReplayRecordExport) -> Generator[bytes]:
        blocks = self._repository.record_blocks(tenant_id, replay_id, wanted.result)
        yield from Lines(ReplayRecord, wanted.format).chunks(blocks, lambda block: map(_shown_record, block))

    def _check_filter(self, selection: Mapping[str, Any]) -> None:
        try:
            conditions_of(asked_export(selection), self._delivery_queries, now=datetime.now(UTC))
        except ValidationFailedError as error:
            details = [Problem(f"selection.filter.{one.path}", one.message) for one in error.details]
            raise ValidationFailedError(details) from error


def shown_replay(row: Row) -> Replay:
    """A row as the API shows it."""
    times = {name: None if row[name] is None else rfc3339_of(row[name]) for name in _TIMES}
    done = sum(row[name] for name in _RESULTS)
    remaining = row["selected"] - done
    counts = ReplayCounts(**{name: row[name] for name in ("selected", *_RESULTS)}, remaining=remaining)
    return Replay.model_validate({**row, **times, "counts": counts})


def _shown_range(row: Row) -> ReplayRange:
    return ReplayRange(
        offsets=f"{row['topic']}:{row['partition']}:{row['first_offset']}-{row['last_offset']}",
        is_read=row["is_read"],
        deleted_first=row["deleted_first"],
        deleted_last=None if row["deleted_end"] is None else row["deleted_end"] - 1,
    )


def _shown_record(row: Row) -> ReplayRecord:
    place = None if row["topic"] is None else str(Place(row["topic"], row["partition"], row["record_offset"]))
    return ReplayRecord.model_validate({**row, "place": place})
