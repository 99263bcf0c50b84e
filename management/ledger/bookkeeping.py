"""Keeping the ledger: one management process examines the log again and again, enters hours, and notes differences.

That two lead for a moment does no harm: entries are numbered, and a number is given once.
"""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from uuid import UUID

from psycopg.errors import UniqueViolation

from infra import metrics
from infra.clickhouse import ClickHouse
from infra.clock import HOUR_US, MICROSECONDS, now_us
from infra.ledger.core.chain import Entry, chained, look_through
from infra.ledger.core.counts import Difference, HourCounts, Kind, alteration, is_to_be_entered
from infra.ledger.examination import Examination, Examiner
from infra.ledger.log import LoggedDeliveries, Window
from infra.ledger.places import open_places
from infra.log import get_logger
from infra.postgres import Connection, Pool
from infra.settings import Settings
from management.leading import LedWork
from management.ledger.repository import (
    LedgerRepository,
    TenantLedger,
    examined_tenants,
    open_differences,
    tenant_ledger,
)
from management.paging import LAST_US

_LOOKBACK_INTERVAL_SECONDS = 3_600.0
#: Nothing is said to the session while hours are examined.
_EXAMINATION_SECONDS_MAX = 600
#: Chains are looked through for so long at a time; those that are left have their turn with the next look.
_CHAINS_SECONDS_MAX = 30.0
_LOGGED_MAX = 20
#: What is found in the log and the topics; chains are looked through by themselves.
_EXAMINED = tuple(kind for kind in Kind if kind is not Kind.BROKEN_CHAIN)
_log = get_logger(__name__)


class Bookkeeping(LedWork):
    """The part `ledger`."""

    name = "ledger"
    lock_key = 0x686C206C65646772  # "hl ledgr"
    idle_seconds_max = _EXAMINATION_SECONDS_MAX
    leader_gauge = metrics.LEDGER_LEADER

    def __init__(self, settings: Settings, pool: Pool, clickhouse: ClickHouse) -> None:
        self.look_seconds = settings.ledger.interval_seconds
        super().__init__(settings.postgres, first_look_seconds=self.look_seconds)
        self._settings = settings
        self._pool = pool
        self._examiner = Examiner(settings, LoggedDeliveries(clickhouse))
        self._looked_back_at = float("-inf")
        self._unseen_chains: deque[str] = deque()

    def step(self, connection: Connection) -> Sequence[str]:
        """Examine this hour and the last one; now and then all that is looked back upon. Raises as the stores do."""
        started = time.monotonic()
        looks_back = started - self._looked_back_at >= _LOOKBACK_INTERVAL_SECONDS
        window = self._window(now_us(), looks_back=looks_back)
        try:
            self._examine(window, examined_tenants(connection, window.since_us, window.until_us))
            if looks_back and not self._unseen_chains:
                self._unseen_chains.extend(sorted(examined_tenants(connection, 0, window.until_us)))
            self._look_through_chains()
        except UniqueViolation:
            _log.warning("ledger.overtaken")
            return ()
        if looks_back:
            self._looked_back_at = started
        return ()

    def observe(self, connection: Connection) -> None:
        """Whoever leads: a figure of a process that led once would stay."""
        found = open_differences(connection)
        for kind in Kind:
            metrics.LEDGER_DIFFERENCES.labels(kind.value).set(found.get(kind.value, 0))

    def _window(self, at_us: int, *, looks_back: bool) -> Window:
        until_us = at_us // HOUR_US * HOUR_US + HOUR_US
        since_us = until_us - 2 * HOUR_US
        if looks_back:
            since_us = (at_us - self._settings.ledger.lookback_seconds * MICROSECONDS) // HOUR_US * HOUR_US
        return Window(since_us, until_us)

    def _examine(self, window: Window, entered_tenants: Iterable[str]) -> None:
        with metrics.LEDGER_EXAMINATION_SECONDS.time(), open_places(self._settings) as places:
            examination = self._examiner.examine(places, window, now_us())
        counted = {tenant_id for tenant_id, _ in examination.counts}
        differing = {one.tenant_id for one in examination.differences}
        for tenant_id in sorted(counted | differing | set(entered_tenants)):
            with tenant_ledger(self._pool, UUID(tenant_id)) as ledger:
                if ledger is not None:
                    keep_tenant(ledger, tenant_id, examination, now_us())
        metrics.LEDGER_LAST_EXAMINED.set_to_current_time()

    def _look_through_chains(self) -> None:
        """Of every tenant that ever had an entry, whoever sends nothing now included."""
        repository, began = LedgerRepository(self._pool), time.monotonic()
        while self._unseen_chains:
            keep_chain(self._pool, repository, self._unseen_chains[0])
            self._unseen_chains.popleft()
            if time.monotonic() - began > _CHAINS_SECONDS_MAX:
                return


def keep_chain(pool: Pool, repository: LedgerRepository, tenant_id: str) -> None:
    """Note where a tenant's chain is broken; or that it is no longer."""
    broken = look_through(repository.chain(UUID(tenant_id))).broken
    found = [] if broken is None else [Difference(tenant_id, broken.hour_us, Kind.BROKEN_CHAIN, 1, broken.problem)]
    with tenant_ledger(pool, UUID(tenant_id)) as ledger:
        if ledger is not None:
            _note(ledger, found, (0, LAST_US), [Kind.BROKEN_CHAIN])


def keep_tenant(ledger: TenantLedger, tenant_id: str, examination: Examination, at_us: int) -> None:
    """Enter what can be entered, and note what differs, of one tenant."""
    window = examination.window
    newest = ledger.newest(window.since_us, window.until_us)
    counts = {hour: count for (tenant, hour), count in examination.counts.items() if tenant == tenant_id}
    differences = [one for one in examination.differences if one.tenant_id == tenant_id]
    last = ledger.last_entry()
    for hour_us in sorted(examination.checked_us & (set(counts) | set(newest))):
        found, entry = counts.get(hour_us, HourCounts()), newest.get(hour_us)
        altered = alteration_of(entry, found, examination)
        if altered is not None:
            differences.append(altered)
        elif is_to_be_entered(_counts(entry), found, 0 if entry is None else at_us - entry.entered_at_us):
            revision = 0 if entry is None else entry.revision + 1
            last = chained(last, tenant_id, hour_us, revision, entered_at_us=at_us, counts=found.as_json())
            ledger.add(last)
            metrics.LEDGER_ENTRIES.inc()
            _log.info("ledger.entered", tenant_id=tenant_id, number=last.number, hash=last.hash, revision=revision)
    judged = [kind for kind in _EXAMINED if kind is not Kind.LATE_PENDING or examination.judged_outcomes]
    # Of hours that the topics no longer keep nothing is resolved: nobody has looked.
    _note(ledger, differences, (max(window.since_us, examination.retained_since_us), window.until_us), judged)


def alteration_of(entry: Entry | None, found: HourCounts, examination: Examination) -> Difference | None:
    """What an entered hour has lost since; nothing is said of hours whose records the topics no longer keep."""
    if entry is None or entry.hour_us < examination.retained_since_us:
        return None
    return alteration(entry.tenant_id, entry.hour_us, HourCounts.from_json(entry.counts), found)


def _counts(entry: Entry | None) -> HourCounts | None:
    return None if entry is None else HourCounts.from_json(entry.counts)


def _note(
    ledger: TenantLedger, differences: Sequence[Difference], looked_at_us: tuple[int, int], kinds: Sequence[Kind]
) -> None:
    """Note these, and resolve the others of these kinds in the hours [first, end) that were looked at."""
    noted = [(one, *ledger.note(one)) for one in differences]
    for one, _, is_new in noted[:_LOGGED_MAX]:
        if is_new:
            _log.error(
                "ledger.difference",
                tenant_id=one.tenant_id,
                kind=one.kind.value,
                count=one.count,
                offsets=one.place,
                detail=one.detail,
            )
    resolved = ledger.resolve_others(*looked_at_us, kinds, [key for _, key, _ in noted])
    if resolved:
        _log.info("ledger.resolved", differences=resolved)
