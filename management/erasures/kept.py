"""Bodies that Postgres keeps beside the log: samples of webhooks, and their last tests. All is for one tenant."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from infra.clock import rfc3339
from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_queries
from management.audit_entries.repository import write_system_audit_entry
from management.erasures.log import Match, Sought
from management.erasures.matching import has_value
from management.paging import microseconds

_QUERIES = load_queries(Path(__file__).parent / "kept.sql")
#: Each has a body of 256 KiB at most.
_PAGE_ROWS = 50
_FIRST = UUID(int=0)


class KeptCleared(NamedTuple):
    """How many samples and tests an erasure has cleared so far."""

    samples: int = 0
    tests: int = 0


class KeptBodies:
    """Raises PostgresUnavailableError. Everything may be done twice; what goes is counted in the same transaction."""

    def __init__(self, pool: Pool, tenant_id: UUID) -> None:
        self._pool = pool
        self._tenant_id = tenant_id

    def clear_value(self, erasure_id: UUID, sought: Sought, until: datetime) -> None:
        """Samples and tests from before `until` that have the value."""
        wanted = {"webhook_id": sought.webhook_id, "until": until}
        for page in self._pages("page_samples", wanted):
            found = [row for row in page if _has_value(row["content"], None, sought)]
            self._clear(erasure_id, samples=found)
        for page in self._pages("page_tests", wanted):
            found = [row for row in page if _has_value(row["request"]["body"], row["request"]["content_type"], sought)]
            self._clear(erasure_id, tests=found)

    def clear_delivery(self, erasure_id: UUID, delivery: Match) -> None:
        """The sample that was captured from it, and the test it was made by."""
        with tenant_transaction(self._pool, self._tenant_id) as connection:
            tests = self._execute(connection, "delete_tests_of", {"delivery_id": delivery.delivery_id})
            samples = self._clear_sample(connection, delivery.webhook_id, delivery.received_at_us)
            self._count(connection, erasure_id, samples=samples, tests=tests)

    def cleared(self, erasure_id: UUID) -> KeptCleared:
        """By all looks of the erasure."""
        parameters = {"tenant_id": self._tenant_id, "erasure_id": erasure_id}
        with tenant_transaction(self._pool, self._tenant_id) as connection:
            [row] = connection.execute(_QUERIES["cleared"].encode(), parameters).fetchall()
        return KeptCleared(**row)

    def _pages(self, name: str, wanted: dict[str, Any]) -> Iterator[list[Row]]:
        after: Row = {"webhook_id": _FIRST, "test_id": _FIRST}
        while True:
            parameters = {
                "tenant_id": self._tenant_id,
                "after_webhook_id": after["webhook_id"],
                "after_test_id": after.get("test_id"),
                "limit": _PAGE_ROWS,
                **wanted,
            }
            with tenant_transaction(self._pool, self._tenant_id) as connection:
                rows = connection.execute(_QUERIES[name].encode(), parameters).fetchall()
            yield rows
            if len(rows) < _PAGE_ROWS:
                return
            after = rows[-1]

    def _clear(self, erasure_id: UUID, *, samples: Sequence[Row] = (), tests: Sequence[Row] = ()) -> None:
        if not samples and not tests:
            return
        with tenant_transaction(self._pool, self._tenant_id) as connection:
            cleared = sum(
                self._clear_sample(connection, row["webhook_id"], microseconds(row["captured_at"])) for row in samples
            )
            deleted = sum(self._execute(connection, "delete_test", row) for row in tests)
            self._count(connection, erasure_id, samples=cleared, tests=deleted)

    def _clear_sample(self, connection: Connection, webhook_id: UUID, captured_at_us: int) -> int:
        """1, or 0 where another has been captured meanwhile."""
        sample = {"webhook_id": webhook_id, "captured_at_us": captured_at_us}
        cleared = self._execute(connection, "clear_sample", sample)
        if cleared:
            before = {"sample_captured_at": rfc3339(captured_at_us)}
            action = "inbound_webhook.sample_cleared"
            write_system_audit_entry(connection, self._tenant_id, action, webhook_id, before=before)
        return cleared

    def _count(self, connection: Connection, erasure_id: UUID, *, samples: int, tests: int) -> None:
        if samples or tests:
            counted = {"erasure_id": erasure_id, "samples": samples, "tests": tests}
            self._execute(connection, "count_cleared", counted)

    def _execute(self, connection: Connection, name: str, parameters: Row) -> int:
        bound = {**parameters, "tenant_id": self._tenant_id}
        return connection.execute(_QUERIES[name].encode(), bound).rowcount


def _has_value(content: str, content_type: str | None, sought: Sought) -> bool:
    return has_value(content.encode(), content_type, sought.path, sought.value)
