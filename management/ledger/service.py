"""The ledger of a tenant: what is kept, and its verification from the stores as they are now."""

import threading
from collections.abc import Sequence
from uuid import UUID

from infra.clickhouse import ClickHouse
from infra.clock import HOUR_US, now_us, rfc3339, rfc3339_of
from infra.errors import KafkaUnavailableError
from infra.ledger.core.chain import Entry, look_through
from infra.ledger.core.counts import Difference, HourCounts
from infra.ledger.examination import Examination, Examiner
from infra.ledger.log import LoggedDeliveries, Window
from infra.ledger.places import open_places
from infra.postgres import Row
from infra.settings import Settings
from management.errors import Problem, UnavailableError, ValidationFailedError
from management.ledger.bookkeeping import alteration_of
from management.ledger.repository import LedgerRepository
from management.ledger.schemas import (
    KeptDifference,
    LedgerCounts,
    LedgerDifference,
    LedgerDifferenceFilter,
    LedgerEntry,
    LedgerFilter,
    LedgerVerification,
    State,
    VerificationRequest,
    VerifiedChain,
    VerifiedHour,
)
from management.paging import Page, PageMeta, microseconds

_HOURS = 24
_HOURS_MAX = 31 * 24
#: How long outcomes that are on their way are waited for, and how long another verification.
_PATIENCE_SECONDS = 5.0
_TURN_SECONDS = 30.0
_NAMED_MAX = 5


class LedgerService:
    """Reads only. A tenant sees its own ledger. One verification at a time: each looks through whole hours."""

    def __init__(self, repository: LedgerRepository, settings: Settings, clickhouse: ClickHouse) -> None:
        self._repository = repository
        self._settings = settings
        self._logged = LoggedDeliveries(clickhouse)
        self._turn = threading.Lock()

    def page(self, tenant_id: UUID, wanted: LedgerFilter) -> Page[LedgerEntry]:
        """A page of entries, newest first."""
        entries, total = self._repository.entries(tenant_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[_shown_entry(entry) for entry in entries], meta=meta)

    def differences(self, tenant_id: UUID, wanted: LedgerDifferenceFilter) -> Page[KeptDifference]:
        """A page of differences, newest first."""
        rows, total = self._repository.differences(tenant_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[_kept(row) for row in rows], meta=meta)

    def verify(self, tenant_id: UUID, wanted: VerificationRequest) -> LedgerVerification:
        """Raises ValidationFailedError for too many hours, UnavailableError, and as the stores do."""
        window = _window(tenant_id, wanted, now_us())
        chain = self._verify_chain(tenant_id)
        newest = self._repository.newest(tenant_id, window.since_us, window.until_us)
        examination = self._examine(window)
        altered = [
            found
            for hour_us, entry in newest.items()
            if (found := alteration_of(entry, _found(examination, hour_us), examination)) is not None
        ]
        differences = sorted([*examination.differences, *altered])
        return LedgerVerification(
            verdict="different" if differences or chain.problem else "balanced",
            words=_words(examination, differences, chain),
            since=rfc3339(window.since_us),
            until=rfc3339(window.until_us),
            outcomes_judged=examination.judged_outcomes,
            chain=chain,
            hours=_hours(examination, newest, differences),
            differences=[LedgerDifference(**_place(one)) for one in differences],
        )

    def _examine(self, window: Window) -> Examination:
        if not self._turn.acquire(timeout=_TURN_SECONDS):
            raise UnavailableError("another verification is running, try again")
        try:
            with open_places(self._settings) as places:
                examiner = Examiner(self._settings, self._logged)
                return examiner.examine(places, window, now_us(), patience_seconds=_PATIENCE_SECONDS)
        except KafkaUnavailableError as error:
            raise UnavailableError("Kafka is away, try again") from error
        finally:
            self._turn.release()

    def _verify_chain(self, tenant_id: UUID) -> VerifiedChain:
        found = look_through(self._repository.chain(tenant_id))
        return VerifiedChain(
            entries=found.entries,
            head_number=0 if found.last is None else found.last.number,
            head_hash="" if found.last is None else found.last.hash,
            broken_at=None if found.broken is None else found.broken.number,
            problem=None if found.broken is None else found.broken.problem,
        )


def _window(tenant_id: UUID, wanted: VerificationRequest, at_us: int) -> Window:
    """Whole hours, as many as were asked for."""
    until_us = at_us if wanted.until is None else min(at_us, microseconds(wanted.until))
    since_us = until_us - _HOURS * HOUR_US if wanted.since is None else microseconds(wanted.since)
    since_us, until_us = max(0, since_us // HOUR_US * HOUR_US), -(-until_us // HOUR_US) * HOUR_US
    hours = (until_us - since_us) // HOUR_US
    if not 0 < hours <= _HOURS_MAX:
        message = f"since ≤ hour < until must be 1 to {_HOURS_MAX} hours that have begun, not {hours}"
        raise ValidationFailedError([Problem("since", message)])
    return Window(since_us, until_us, str(tenant_id))


def _found(examination: Examination, hour_us: int) -> HourCounts:
    return examination.counts.get((examination.window.tenant_id, hour_us), HourCounts())


def _hours(examination: Examination, newest: dict[int, Entry], differences: Sequence[Difference]) -> list[VerifiedHour]:
    """Every hour in which there is anything, or was."""
    counted = {hour_us for _, hour_us in examination.counts}
    differing = {one.hour_us for one in differences}
    return [
        VerifiedHour(
            hour=rfc3339(hour_us),
            state=_state(examination, hour_us, newest.get(hour_us)),
            counts=_shown_counts(_found(examination, hour_us)),
            entry_number=newest[hour_us].number if hour_us in newest else None,
            differs=hour_us in differing,
        )
        for hour_us in sorted(counted | set(newest) | differing)
    ]


def _state(examination: Examination, hour_us: int, entry: Entry | None) -> State:
    if hour_us not in examination.checked_us:
        return "filling"
    if hour_us < examination.retained_since_us:
        return "chain_only"
    return "stored" if entry is None else "entered"


def _words(examination: Examination, differences: Sequence[Difference], chain: VerifiedChain) -> str:
    """The verdict in a sentence or two."""
    counts = list(examination.counts.values())
    raw, attested = sum(count.raw for count in counts), sum(count.attested for count in counts)
    unattested, pending = sum(count.unattested for count in counts), sum(count.pending for count in counts)
    said = f"{attested} acknowledged, {raw} in the log, {raw - pending} with an outcome, {pending} pending."
    if unattested:
        said += f" {unattested} came through receivers that ended before they attested them: nothing is missing."
    if chain.problem:
        said += f" The chain is broken: {chain.problem}."
    if not differences:
        return said if chain.problem else f"Everything agrees: {said}"
    named = [f"{one.count} {one.kind.value} {one.place or 'at no known place'}: {one.detail}" for one in differences]
    more = f"; and {len(named) - _NAMED_MAX} more" if len(named) > _NAMED_MAX else ""
    return f"{said} Not everything agrees: {'; '.join(named[:_NAMED_MAX])}{more}."


def _shown_counts(counts: HourCounts) -> LedgerCounts:
    return LedgerCounts(**counts.as_json(), unattested=counts.unattested, requests=counts.requests)


def _shown_entry(entry: Entry) -> LedgerEntry:
    return LedgerEntry(
        number=entry.number,
        hour=rfc3339(entry.hour_us),
        revision=entry.revision,
        entered_at=rfc3339(entry.entered_at_us),
        counts=_shown_counts(HourCounts.from_json(entry.counts)),
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )


def _kept(row: Row) -> KeptDifference:
    placed = Difference(
        "", microseconds(row["hour"]), row["kind"], row["count"], row["detail"], row["topic"], row["partition"],
        row["first_offset"], row["last_offset"],
    )  # fmt: skip
    resolved_at = row["resolved_at"]
    return KeptDifference(
        **_place(placed),
        id=str(row["id"]),
        found_at=rfc3339_of(row["found_at"]),
        resolved_at=None if resolved_at is None else rfc3339_of(resolved_at),
    )


def _place(one: Difference) -> dict[str, object]:
    """Members of a LedgerDifference; none where no place is known."""
    known = bool(one.topic)
    return {
        "hour": rfc3339(one.hour_us),
        "kind": one.kind,
        "count": one.count,
        "detail": one.detail,
        "offsets": one.place or None,
        "topic": one.topic or None,
        "partition": one.partition if known else None,
        "first_offset": one.first_offset if known else None,
        "last_offset": one.last_offset if known else None,
    }
