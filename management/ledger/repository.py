"""Entries and differences in Postgres; every statement but those of the relay's role is for one tenant."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from infra.clock import MICROSECONDS
from infra.ledger.core.chain import Entry
from infra.ledger.core.counts import Difference, Kind
from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_whole_queries
from management.ledger.schemas import LedgerDifferenceFilter, LedgerFilter
from management.paging import microseconds, page_parameters, read_page

_QUERIES = load_whole_queries(Path(__file__).parent / "queries.sql")
_CHAIN_ENTRIES_MAX = 5_000


class LedgerRepository:
    """Reads for the API. Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def entries(self, tenant_id: UUID, wanted: LedgerFilter) -> tuple[list[Entry], int]:
        """A page, newest first, and how many there are in all."""
        rows, total = self._page(tenant_id, "entries", page_parameters(wanted))
        return [_entry(row) for row in rows], total

    def differences(self, tenant_id: UUID, wanted: LedgerDifferenceFilter) -> tuple[list[Row], int]:
        """A page, newest first, and how many there are in all."""
        chosen = {"kind": wanted.kind, "is_open": wanted.open}
        return self._page(tenant_id, "differences", page_parameters(wanted) | chosen)

    def newest(self, tenant_id: UUID, since_us: int, until_us: int) -> dict[int, Entry]:
        """The newest revision of each hour of [since_us, until_us) that was entered."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return newest_entries(connection, tenant_id, since_us, until_us)

    def chain(self, tenant_id: UUID) -> Iterator[list[Entry]]:
        """All entries by their numbers, in parts."""
        after_number: int | None = 0
        while after_number is not None:
            with tenant_transaction(self._pool, tenant_id) as connection:
                part = chain_part(connection, tenant_id, after_number)
            if part:
                yield part
            after_number = part[-1].number if part else None

    def _page(self, tenant_id: UUID, what: str, parameters: Mapping[str, Any]) -> tuple[list[Row], int]:
        chosen = {**parameters, "tenant_id": tenant_id}
        with tenant_transaction(self._pool, tenant_id) as connection:
            return read_page(connection, _QUERIES, chosen, count=f"count_{what}", rows=f"list_{what}")


class TenantLedger:
    """One tenant's ledger inside an open transaction of that tenant, for whoever keeps it."""

    def __init__(self, connection: Connection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def last_entry(self) -> Entry | None:
        """The end of the chain."""
        row = self._execute("find_last_entry").fetchone()
        return None if row is None else _entry(row)

    def newest(self, since_us: int, until_us: int) -> dict[int, Entry]:
        """As `LedgerRepository.newest`."""
        return newest_entries(self._connection, self._tenant_id, since_us, until_us)

    def add(self, entry: Entry) -> None:
        """Add to the chain. Two that add at once cannot both: the number is given once."""
        self._execute(
            "insert_entry",
            number=entry.number,
            hour=moment(entry.hour_us),
            revision=entry.revision,
            entered_at=moment(entry.entered_at_us),
            counts=Jsonb(dict(entry.counts)),
            previous_hash=entry.previous_hash,
            hash=entry.hash,
        )

    def note(self, difference: Difference) -> tuple[UUID, bool]:
        """Its id, and whether it was not open before."""
        row = self._execute(
            "upsert_difference",
            hour=moment(difference.hour_us),
            kind=difference.kind.value,
            topic=difference.topic,
            partition=difference.partition,
            first_offset=difference.first_offset,
            last_offset=difference.last_offset,
            count=difference.count,
            detail=difference.detail,
        ).fetchone()
        return row["id"], row["is_new"]

    def resolve_others(self, since_us: int, until_us: int, kinds: Sequence[Kind], still_open: Sequence[UUID]) -> int:
        """Resolve the open differences of these hours and kinds that are not among `still_open`; how many."""
        done = self._execute(
            "resolve_differences",
            since=moment(since_us),
            until=moment(until_us),
            kinds=[kind.value for kind in kinds],
            still_open_ids=list(still_open),
        )
        return int(done.rowcount)

    def _execute(self, name: str, **parameters: Any) -> Any:
        return self._connection.execute(_QUERIES[name].encode(), {"tenant_id": self._tenant_id, **parameters})


@contextmanager
def tenant_ledger(pool: Pool, tenant_id: UUID) -> Iterator[TenantLedger | None]:
    """The ledger of a tenant in one transaction; None where there is no such tenant (any more)."""
    with tenant_transaction(pool, tenant_id) as connection:
        exists = connection.execute(_QUERIES["find_tenant"].encode(), {"tenant_id": tenant_id}).fetchone()
        yield None if exists is None else TenantLedger(connection, tenant_id)


def examined_tenants(connection: Connection, since_us: int, until_us: int) -> set[str]:
    """Tenants with entries or open differences in these hours; on a connection of hookline_relay."""
    parameters = {"since": moment(since_us), "until": moment(until_us)}
    rows = connection.execute(_QUERIES["list_examined_tenants"].encode(), parameters).fetchall()
    return {str(row["tenant_id"]) for row in rows}


def open_differences(connection: Connection) -> dict[str, int]:
    """Records that do not agree, of all tenants, by kind; on a connection of hookline_relay."""
    rows = connection.execute(_QUERIES["count_open_differences"].encode()).fetchall()
    return {row["kind"]: int(row["count"]) for row in rows}


def newest_entries(connection: Connection, tenant_id: UUID, since_us: int, until_us: int) -> dict[int, Entry]:
    """The newest revision of each hour that was entered, by its start."""
    parameters = {"tenant_id": tenant_id, "since": moment(since_us), "until": moment(until_us)}
    rows = connection.execute(_QUERIES["list_newest_revisions"].encode(), parameters).fetchall()
    return {entry.hour_us: entry for entry in map(_entry, rows)}


def chain_part(connection: Connection, tenant_id: UUID, after_number: int) -> list[Entry]:
    """The next entries of the chain; none behind its end."""
    parameters = {"tenant_id": tenant_id, "after_number": after_number, "limit": _CHAIN_ENTRIES_MAX}
    return [_entry(row) for row in connection.execute(_QUERIES["list_chain"].encode(), parameters)]


def moment(at_us: int) -> datetime:
    """Microseconds since the epoch as Postgres takes them, exactly."""
    seconds, microsecond = divmod(at_us, MICROSECONDS)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microsecond)


def _entry(row: Row) -> Entry:
    return Entry(
        tenant_id=str(row["tenant_id"]),
        number=row["number"],
        hour_us=microseconds(row["hour"]),
        revision=row["revision"],
        entered_at_us=microseconds(row["entered_at"]),
        counts=row["counts"],
        previous_hash=row["previous_hash"],
        hash=row["hash"],
    )
