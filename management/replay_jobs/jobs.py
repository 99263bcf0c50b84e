"""Replay jobs in Postgres as they are done; every statement is for one tenant, but for those that find what is due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from infra import metrics
from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_queries
from management.audit_entries.repository import write_system_audit_entry
from management.paging import microseconds
from management.replay_jobs.core.states import OPEN, Cause, Standing, State
from management.replay_jobs.selections import Cursor
from management.replaying.counts import count_replays

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_DUE_MAX = 500
_FORGOTTEN_MAX = 10
_COUNTERS = ("selected", "published", "present", "lost", "refused")
RESULTS = ("published", "present", "lost", "refused")
metrics.begin_at_zero(metrics.REPLAY_RECORDS, RESULTS)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stood when it was read."""

    tenant_id: UUID
    id: UUID
    state: State
    cause: Cause | None
    selection: dict[str, Any]
    mode: str
    rate_per_second: int
    plan_only: bool
    confirm_records: int | None
    asked_at: datetime
    planning_attempts: int
    started_at: datetime | None
    resumed_at: datetime | None
    batches: int
    published: int
    has_batch_in_hand: bool

    @property
    def asked_at_us(self) -> int:
        """What comes from then on is not of this job."""
        return microseconds(self.asked_at)


class Disposition(NamedTuple):
    """What is to become, or became, of one selected delivery. A `noted` one has a new delivery and its time."""

    delivery_id: str
    origin_id: str
    webhook_id: str | None
    received_at_us: int | None
    topic: str | None
    partition: int | None
    record_offset: int | None
    result: str
    code: str | None = None
    reason: str | None = None
    new_delivery_id: str | None = None
    replayed_at_us: int | None = None


class Decided(NamedTuple):
    """What is to become of the deliveries of a batch. `maxima`: how often each origin may be replayed, by its id."""

    dispositions: Sequence[Disposition]
    maxima: Mapping[str, int]


class Batch(NamedTuple):
    """A batch that is written down. `members` are to be published; the cursor moves to the last once it is done."""

    number: int
    cursor: Cursor
    passed: int
    end_offset: int
    written_at: datetime
    age_seconds: float
    members: Sequence[Disposition]


class Unpublished(NamedTuple):
    """A member that cannot be published after all."""

    new_delivery_id: str
    result: str
    code: str
    reason: str


class JobStore:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def begin_planning(self, job: Job) -> int | None:
        """The number of this attempt; None when the job is no longer to be planned."""
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            row = connection.execute(_QUERIES["begin_planning"].encode(), _names(job)).fetchone()
            return None if row is None else int(row["planning_attempts"])

    def note_waiting(self, job: Job, reason: str) -> None:
        """Why a plan is not begun."""
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            connection.execute(_QUERIES["note_waiting"].encode(), {**_names(job), "reason": reason})

    def next_range(self, job: Job) -> Row | None:
        """A range of offsets that is not read to its end."""
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            return connection.execute(_QUERIES["next_range"].encode(), _names(job)).fetchone()

    def note_range(self, job: Job, number: int, **reached: Any) -> None:
        """How far a range is read, and what of it was deleted."""
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            connection.execute(_QUERIES["note_range"].encode(), {**_names(job), "number": number, **reached})

    def note_planned(
        self,
        job: Job,
        attempt: int,
        partitions: Mapping[tuple[str, int], int],
        lost: Sequence[Disposition],
        to: Standing,
    ) -> bool:
        """Cursors, what is lost already, and where the job goes; False where somebody else was first."""
        planned = {
            "attempt": attempt,
            "state": to.state,
            "cause": to.cause,
            "reason": to.reason,
            "selected_in_all": sum(partitions.values()) + len(lost),
            "lost": len(lost),
        }
        cursors = {
            "topics": [topic for topic, _ in partitions],
            "partitions": [partition for _, partition in partitions],
            "selected": list(partitions.values()),
        }
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            noted = connection.execute(_QUERIES["note_planned"].encode(), {**_names(job), **planned})
            if not noted.rowcount:
                return False
            connection.execute(_QUERIES["insert_cursors"].encode(), {**_names(job), **cursors})
            _insert_records(connection, job, 0, lost)
        metrics.REPLAY_RECORDS.labels("lost").inc(len(lost))
        return True

    def next_cursor(self, job: Job) -> Cursor | None:
        """The partition to go on with; None: all are passed."""
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            row = connection.execute(_QUERIES["next_cursor"].encode(), _names(job)).fetchone()
        return None if row is None else Cursor(**row)

    def replayed(self, job: Job, origin_ids: Sequence[str]) -> set[str]:
        """Origins of which this job has published a record, or is about to."""
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            wanted = {**_names(job), "origin_ids": list(origin_ids)}
            rows = connection.execute(_QUERIES["find_replayed"].encode(), wanted).fetchall()
        return {str(row["origin_id"]) for row in rows}

    def note(self, job: Job, cursor: Cursor, decided: Decided, end_offset: int) -> bool:
        """Write a batch down, whole, while the job runs; False: it does no longer, or somebody else was first.

        `cursor` is behind the last of them.
        """
        number = job.batches + 1
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            wanted = {**_names(job), "batches": job.batches}
            if connection.execute(_QUERIES["lock_running"].encode(), wanted).fetchone() is None:
                return False
            records = _counted(connection, job, decided)
            _insert_records(connection, job, number, records)
            batch = {
                **_names(job),
                **cursor._asdict(),
                "number": number,
                "passed": len(records),
                "end_offset": end_offset,
            }
            connection.execute(_QUERIES["insert_batch"].encode(), batch)
            connection.execute(_QUERIES["note_batch"].encode(), batch)
        return True

    def batch_in_hand(self, job: Job) -> Batch | None:
        """What was written down and is not done."""
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            row = connection.execute(_QUERIES["batch_in_hand"].encode(), _names(job)).fetchone()
            if row is None:
                return None
            wanted = {**_names(job), "number": row["number"]}
            members = connection.execute(_QUERIES["list_noted"].encode(), wanted).fetchall()
        cursor = Cursor(row["topic"], row["partition"], row["last_offset"], row["last_delivery_id"])
        noted = tuple(_noted(member) for member in members)
        return Batch(
            row["number"], cursor, row["passed"], row["end_offset"], row["written_at"], row["age_seconds"], noted
        )

    def take_up(self, job: Job, batch: Batch) -> bool:
        """Go on with a batch as nobody has since it was read; False: somebody has."""
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            wanted = {**_names(job), "number": batch.number, "written_at": batch.written_at}
            return bool(connection.execute(_QUERIES["take_up_batch"].encode(), wanted).rowcount)

    def finish(
        self, job: Job, batch: Batch, published: Sequence[str], unpublished: Sequence[Unpublished]
    ) -> dict[str, int] | None:
        """Mark a batch as done, move its cursor, count it; None where somebody else was first."""
        names = {**_names(job), "number": batch.number}
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            if not connection.execute(_QUERIES["finish_batch"].encode(), names).rowcount:
                return None
            connection.execute(_QUERIES["note_published"].encode(), {**names, "new_delivery_ids": list(published)})
            if unpublished:
                given = Jsonb([one._asdict() for one in unpublished])
                connection.execute(_QUERIES["note_unpublished"].encode(), {**names, "unpublished": given})
            moved = {**names, **batch.cursor._asdict(), "passed": batch.passed}
            connection.execute(_QUERIES["move_cursor"].encode(), moved)
            counted = {
                row["result"]: row["records"] for row in connection.execute(_QUERIES["count_batch"].encode(), names)
            }
            counts = {result: counted.get(result, 0) for result in RESULTS}
            connection.execute(_QUERIES["add_counts"].encode(), {**names, **counts})
        for result, count in counts.items():
            metrics.REPLAY_RECORDS.labels(result).inc(count)
        return counts

    def end(self, job: Job, standing: Standing) -> None:
        """Done, or failed with a reason; once."""
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            ended = connection.execute(_QUERIES["end_job"].encode(), {**_names(job), **_standing(standing)}).fetchone()
            if ended is not None:
                after: dict[str, Any] = {name: ended[name] for name in _COUNTERS}
                after |= {"reason": standing.reason} if standing.reason else {}
                write_system_audit_entry(connection, job.tenant_id, f"replay.{standing.state}", job.id, after=after)

    def pause(self, job: Job, cause: Cause, reason: str) -> None:
        """By Hookline itself."""
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            standing = {**_names(job), "cause": cause, "reason": reason}
            if connection.execute(_QUERIES["pause_job"].encode(), standing).fetchone() is not None:
                after = {"cause": cause, "reason": reason}
                write_system_audit_entry(connection, job.tenant_id, "replay.paused", job.id, after=after)
                metrics.REPLAY_PAUSES.labels(cause).inc()

    def resume_after_lag(self, job: Job) -> None:
        """By Hookline itself, once live traffic has caught up."""
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            if connection.execute(_QUERIES["resume_after_lag"].encode(), _names(job)).fetchone() is not None:
                after = {"reason": "live traffic has caught up"}
                write_system_audit_entry(connection, job.tenant_id, "replay.resumed", job.id, after=after)

    def forget(self, tenant_id: UUID, replay_id: UUID) -> None:
        """What became of each record of a job; its counts stay."""
        names = {"tenant_id": tenant_id, "id": replay_id}
        with tenant_transaction(self._pool, tenant_id) as connection:
            for name in ("forget_records", "forget_batches", "note_forgotten"):
                connection.execute(_QUERIES[name].encode(), names)

    def note_outcomes(self, job: Job, outcomes: Mapping[str, int], *, has_all: bool) -> None:
        """What the log has of its deliveries by now."""
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            given = {**_names(job), "outcomes": Jsonb(dict(outcomes)), "has_all": has_all}
            connection.execute(_QUERIES["note_outcomes"].encode(), given)


def list_due(connection: Connection) -> list[tuple[UUID, UUID]]:
    """Tenants and ids of the jobs that something is to be done for. `connection` works as hookline_relay."""
    rows = connection.execute(_QUERIES["list_due"].encode(), {"limit": _DUE_MAX}).fetchall()
    return [(row["tenant_id"], row["id"]) for row in rows]


def list_forgettable(connection: Connection, kept_days: int) -> list[tuple[UUID, UUID]]:
    """Tenants and ids of some jobs that ended long ago. `connection` works as hookline_relay."""
    bounds = {"kept_days": kept_days, "limit": _FORGOTTEN_MAX}
    rows = connection.execute(_QUERIES["list_forgettable"].encode(), bounds).fetchall()
    return [(row["tenant_id"], row["id"]) for row in rows]


def read_job(connection: Connection, tenant_id: UUID, replay_id: UUID) -> Job:
    """As it stands now. `connection` works as hookline_relay; a job is never deleted."""
    [row] = connection.execute(_QUERIES["read_job"].encode(), {"tenant_id": tenant_id, "id": replay_id}).fetchall()
    cause = row.pop("state_cause")
    members = {**row, "state": State(row["state"]), "cause": None if cause is None else Cause(cause)}
    return Job(**{name: members[name] for name in Job.__slots__})


def count_open(connection: Connection) -> dict[str, int]:
    """How many jobs are open, of all tenants, by state. `connection` works as hookline_relay."""
    return {row["state"]: row["replays"] for row in connection.execute(_QUERIES["count_open_by_state"].encode())}


def show_open(counted: Mapping[str, int]) -> None:
    """The same as metrics."""
    for state in OPEN:
        metrics.REPLAYS_OPEN.labels(state).set(counted.get(state, 0))


def _names(job: Job) -> dict[str, Any]:
    return {"tenant_id": job.tenant_id, "id": job.id}


def _counted(connection: Connection, job: Job, decided: Decided) -> list[Disposition]:
    """Those that may go are counted; the others were replayed as often as their webhook allows."""
    noted = {UUID(one.origin_id) for one in decided.dispositions if one.result == "noted"}
    maxima = {UUID(origin_id): most for origin_id, most in decided.maxima.items() if UUID(origin_id) in noted}
    allowed = count_replays(connection, job.tenant_id, maxima)
    return [
        one
        if one.result != "noted" or UUID(one.origin_id) in allowed
        else one._replace(
            result="refused",
            code="replayed_too_often",
            reason=f"it was replayed as often as its webhook allows ({decided.maxima[one.origin_id]})",
            new_delivery_id=None,
            replayed_at_us=None,
        )
        for one in decided.dispositions
    ]


def _standing(standing: Standing) -> dict[str, Any]:
    return standing._asdict()


def _insert_records(connection: Connection, job: Job, number: int, records: Sequence[Disposition]) -> None:
    given = Jsonb([{**one._asdict(), "position": position} for position, one in enumerate(records)])
    connection.execute(_QUERIES["insert_records"].encode(), {**_names(job), "number": number, "records": given})


def _noted(row: Row) -> Disposition:
    ids = {name: str(row[name]) for name in ("delivery_id", "origin_id", "webhook_id", "new_delivery_id")}
    return Disposition(**{**{name: row[name] for name in row if name != "position"}, **ids}, result="noted")
