"""What an evaluation reads and writes in Postgres, for all tenants, in the session whose lock is the lead."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from infra.clock import MICROSECONDS
from infra.entities.outbox import OutboxRow, write_events
from infra.ids import uuid7_text
from infra.ledger.core.counts import Kind
from infra.postgres import Row
from infra.queries import load_queries
from management.alerting.core.changes import Changes, Judged, Resolved, Subject
from management.alerting.core.ledger import PLACES_MAX, Finding, finding_name
from management.alerting.core.rules import RULES
from management.alerting.observations import Webhook
from management.alerting.telling import told_raised, told_resolved
from management.paging import microseconds
from management.relays.session import LeadSession, failures_translated
from schemas.encoding import record_bytes

_CHANGES_MAX = 500
_REASONS_MAX = 3
_QUERIES = load_queries(Path(__file__).parent / "queries.sql")

Change = TypeVar("Change", Judged, Resolved)


class OpenAlert(NamedTuple):
    """An alert that is open now."""

    id: UUID
    webhook_id: UUID | None


@dataclass(frozen=True, slots=True)
class KnownWebhook:
    """`is_in_force`: it takes requests now. `priority` is 0 to 3."""

    name: str
    priority: int
    is_in_force: bool


class Written(NamedTuple):
    """How many alerts an evaluation opened and closed; those that another one had changed meanwhile do not count."""

    raised: int
    resolved: int


class AlertSession(LeadSession):
    """Every method raises PostgresUnavailableError when the session is of no more use."""

    def read_open(self) -> dict[Subject, OpenAlert]:
        """Every open alert."""
        return {
            Subject(row["tenant_id"], row["rule"], row["subject"]): OpenAlert(row["id"], row["webhook_id"])
            for row in self._rows(_QUERIES["read_open"], {})
        }

    def read_overrides(self) -> list[Row]:
        """What tenants have changed of the rules: `tenant_id`, `rule`, `webhook_id` (None: all), `parameters`."""
        return self._rows(_QUERIES["read_overrides"], {})

    def read_webhooks(self, wanted: Iterable[Webhook]) -> dict[Webhook, KnownWebhook]:
        """Those that are there."""
        listed = list(wanted)
        parameters = {"tenant_ids": [one for one, _ in listed], "webhook_ids": [one for _, one in listed]}
        rows = self._rows(_QUERIES["read_webhooks"], parameters) if listed else []
        return {
            (row["tenant_id"], row["id"]): KnownWebhook(row["name"], row["priority"], row["is_in_force"])
            for row in rows
        }

    def read_findings(self, opened: Container[Subject]) -> dict[Subject, Finding]:
        """What is open in the ledgers; the places only of what no alert among `opened` has told."""
        found = self._rows(_QUERIES["list_ledger_findings"], {"reasons_max": _REASONS_MAX})
        rows = {_subject_of_finding(row): row for row in found}
        untold = [subject for subject in rows if subject not in opened]
        places = dict(zip(untold, self._places([rows[subject] for subject in untold]), strict=True))
        return {subject: _finding(row, places.get(subject, ())) for subject, row in rows.items()}

    def _places(self, findings: Sequence[Row]) -> list[tuple[str, ...]]:
        if not findings:
            return []
        parameters = {
            "places_max": PLACES_MAX,
            "tenant_ids": [row["tenant_id"] for row in findings],
            "kinds": [row["kind"] for row in findings],
            "first_found": [row["first_found_at"] for row in findings],
            "last_found": [row["last_found_at"] for row in findings],
        }
        return [tuple(row["places"]) for row in self._rows(_QUERIES["list_ledger_places"], parameters)]

    def write(self, changes: Changes, evaluation_id: str, now_us: int) -> Written:
        """Open and close alerts, each with its event, some at a time in a transaction of their own.

        What is open already, or closed already, stays as it is and is not told again.
        """
        at = datetime.fromtimestamp(now_us / MICROSECONDS, UTC)
        raised = sum(self._raise(part, evaluation_id, at) for part in _parts(changes.raised))
        resolved = sum(self._resolve(part, evaluation_id, at) for part in _parts(changes.resolved))
        return Written(raised, resolved)

    def count_open(self) -> tuple[int, int]:
        """Open alerts of tenants, and of the installation."""
        row = self._one(_QUERIES["count_open"], {})
        return row["of_tenants"], row["of_installation"]

    def _raise(self, alerts: Sequence[Judged], evaluation_id: str, at: datetime) -> int:
        rows = [
            {
                "tenant_id": one.subject.tenant_id,
                "id": uuid7_text(int(at.timestamp() * MICROSECONDS)),
                "rule": one.subject.rule,
                "subject": one.subject.name,
                "webhook_id": one.webhook_id,
                "severity": one.severity,
                "message": one.judgement.message,
                "details": one.judgement.details,
            }
            for one in alerts
        ]
        with failures_translated(), self._connection.transaction():
            parameters = {"rows": record_bytes(rows).decode(), "raised_at": at}
            found = self._change("raise_alerts", parameters)
            self._tell(at, [told_raised(row, evaluation_id) for row in found if row["tenant_id"] is not None])
        return len(found)

    def _resolve(self, alerts: Sequence[Resolved], evaluation_id: str, at: datetime) -> int:
        rows = [{"id": one.alert_id, "resolution": one.resolution} for one in alerts]
        with failures_translated(), self._connection.transaction():
            parameters = {"rows": record_bytes(rows).decode(), "resolved_at": at}
            found = self._change("resolve_alerts", parameters)
            self._tell(at, [told_resolved(row, evaluation_id) for row in found if row["tenant_id"] is not None])
        return len(found)

    def _change(self, name: str, parameters: Mapping[str, Any]) -> list[Row]:
        return self._connection.execute(_QUERIES[name].encode(), parameters).fetchall()

    def _tell(self, at: datetime, rows: Iterable[OutboxRow]) -> None:
        by_tenant: dict[UUID, list[OutboxRow]] = defaultdict(list)
        for row in rows:
            by_tenant[row["payload"]["tenant_id"]].append(row)
        for tenant_id, listed in by_tenant.items():
            write_events(self._connection, tenant_id, at, listed)


def _subject_of_finding(row: Row) -> Subject:
    name = finding_name(Kind(row["kind"]), microseconds(row["told_at"]))
    return Subject(row["tenant_id"], RULES["ledger"].name, name)


def _finding(row: Row, places: tuple[str, ...]) -> Finding:
    return Finding(
        Kind(row["kind"]),
        records=row["records"],
        ranges=row["ranges"],
        first_hour_us=microseconds(row["first_hour"]),
        last_hour_us=microseconds(row["last_hour"]),
        reasons=tuple(row["reasons"]),
        places=places,
    )


def _parts(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    for first in range(0, len(changes), _CHANGES_MAX):
        yield changes[first : first + _CHANGES_MAX]
