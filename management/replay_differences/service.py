"""Dry runs of replays: the selection is read, compared and answered in blocks, and nothing is kept of a block."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from infra.clock import now_us
from infra.errors import KafkaUnavailableError
from infra.postgres import Pool
from infra.settings import KafkaSettings
from management.access import Actor
from management.comparing.differences import Totals, difference
from management.comparing.plans import PlanCompiler, PlanShelf
from management.comparing.requests import RequestSource
from management.comparing.room import Room
from management.comparing.schemas import shown_totals
from management.errors import Problem, UnavailableError, ValidationFailedError
from management.exports import ExportFormat, ExportResponse, Lines
from management.paging import window_of
from management.replay_differences.comparing import DeliveryComparer, Verdicts
from management.replay_differences.repeats import Repeats
from management.replay_differences.repository import SelectedDeliveryRepository
from management.replay_differences.schemas import (
    SELECTED_MAX,
    SHOWN_MAX,
    DeliveryDifference,
    ReplayDryRun,
    ReplayDryRunInput,
)
from management.replay_differences.selecting import Block, Missing, Selected, Selecting
from management.replay_differences.showing import shown_difference, shown_incomparable, shown_missing

#: After which the JSON answer tells of what was compared by then. A file may take as long as exports do.
SUMMARY_SECONDS_MAX = 300.0
DRY_RUNS_AT_ONCE_MAX = 2
_LINES_PER_CHUNK = 64
#: Makes what is shown of a delivery, which the JSON answer needs of the first ones only.
Show = Callable[[], DeliveryDifference]


class ReplayDifferenceService:
    """Raises ValidationFailedError, TooManyRequestsError while others run, UnavailableError while Kafka is needed and
    away, and as the stores do."""

    def __init__(
        self, repository: SelectedDeliveryRepository, pool: Pool, compiler: PlanCompiler, kafka: KafkaSettings
    ) -> None:
        self._repository = repository
        self._pool = pool
        self._compiler = compiler
        self._kafka = kafka
        self._room = Room("dry runs", DRY_RUNS_AT_ONCE_MAX)

    def summary(self, actor: Actor, given: ReplayDryRunInput) -> ReplayDryRun:
        """Totals, and the first differences."""
        deadline, totals = time.monotonic() + SUMMARY_SECONDS_MAX, Totals()
        shown: list[DeliveryDifference] = []
        is_complete = True
        with self._room.place():
            selecting = self._selecting(actor.tenant_id, given)
            with closing(self._differences(actor.tenant_id, given, selecting, totals)) as differences:
                for found in differences:
                    if found is not None and len(shown) < SHOWN_MAX:
                        shown.append(found())
                    if time.monotonic() >= deadline:
                        is_complete = False
                        break
        return ReplayDryRun(
            mode=given.mode,
            totals=shown_totals(totals),
            is_complete=is_complete,
            differences=shown,
        )

    def export(self, actor: Actor, given: ReplayDryRunInput, format_: ExportFormat) -> ExportResponse:
        """All differences as a file."""
        chunks = self._chunks(actor.tenant_id, given, format_)
        return ExportResponse(chunks, format_, "replay-differences", datetime.now(UTC))

    def _chunks(self, tenant_id: UUID, given: ReplayDryRunInput, format_: ExportFormat) -> Generator[bytes]:
        lines = Lines(DeliveryDifference, format_)
        with self._room.place():
            selecting = self._selecting(tenant_id, given)
            found = self._differences(tenant_id, given, selecting, Totals())
            with closing(found):
                yield from lines.chunks(_in_blocks(found), lambda block: block)

    def _selecting(self, tenant_id: UUID, given: ReplayDryRunInput) -> Selecting:
        selecting = Selecting(self._repository, tenant_id, given.selection)
        if selecting.count(SELECTED_MAX + 1) > SELECTED_MAX:
            message = f"more than {SELECTED_MAX:,} deliveries are selected, the most of one dry run: select fewer"
            raise ValidationFailedError([Problem(selecting.path, message)])
        return selecting

    def _differences(
        self, tenant_id: UUID, given: ReplayDryRunInput, selecting: Selecting, totals: Totals
    ) -> Generator[Show | None]:
        """What is to be shown of each delivery: None where it would come out the same."""
        since_us, _ = window_of(given.selection.log_filter().since, None)
        repeats = Repeats(self._repository, tenant_id, given.mode, since_us=since_us, now_us=now_us())
        plans = PlanShelf(self._pool, tenant_id, self._compiler)
        comparer = DeliveryComparer(self._pool, tenant_id, self._compiler.registry, plans, repeats)
        try:
            with RequestSource(self._kafka) as source:
                for block in selecting.blocks(source):
                    yield from self._of_block(comparer, block, totals, include_same=given.include_same)
        except KafkaUnavailableError as error:
            raise UnavailableError("Kafka is away, which has requests that the log has not whole: try again") from error

    def _of_block(
        self, comparer: DeliveryComparer, block: Block, totals: Totals, *, include_same: bool
    ) -> Iterator[Show | None]:
        for missing in (one for one in block if isinstance(one, Missing)):
            totals.add_incomparable(missing.code)
            yield partial(shown_missing, missing)
        for one in comparer.compare([one for one in block if isinstance(one, Selected)]):
            if isinstance(one, Verdicts):
                found = difference(one.then, one.now)
                totals.add(one.then, one.now, found)
                yield partial(shown_difference, one, found) if found.kinds or include_same else None
            else:
                selected, reason = one
                totals.add_incomparable(reason.code)
                yield partial(shown_incomparable, selected, reason)


def _in_blocks(found: Iterator[Show | None]) -> Iterator[list[DeliveryDifference]]:
    """Those that are to be shown; a block may be empty, so that a client sees that work goes on."""
    block: list[DeliveryDifference] = []
    passed = 0
    for one in found:
        passed += 1
        if one is not None:
            block.append(one())
        if passed == _LINES_PER_CHUNK:
            yield block
            block, passed = [], 0
    yield block
