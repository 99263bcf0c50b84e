"""Samples and captures in Postgres. What changes a webhook is for one tenant; only the list of captures is for all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from infra.clock import rfc3339
from infra.postgres import Connection, Pool, tenant_transaction, unavailability_translated
from infra.queries import load_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry, write_system_audit_entry
from management.errors import NotFoundError
from management.paging import microseconds
from management.webhook_samples.schemas import CAPTURE_SECONDS, Capture, Sample

CAPTURES_MAX = 200
_NOT_FOR_THE_DATABASE = (psycopg.DataError, psycopg.errors.StatementTooComplex)


class SampleRepository:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries(Path(__file__).parent / "queries.sql")

    def open_capture(self, actor: Actor, webhook_id: UUID) -> int:
        """Begin a capture, in place of one that is open; when it ends, in microseconds. Raises NotFoundError."""
        with self._locked(actor.tenant_id, webhook_id) as (connection, parameters, _):
            parameters["seconds"] = CAPTURE_SECONDS
            row = connection.execute(self._queries["open_capture"].encode(), parameters).fetchone()
            assert row is not None  # noqa: S101 - the row is locked
            expires_at_us = microseconds(row["sample_capture_expires_at"])
            after = {"sample_capture_expires_at": rfc3339(expires_at_us)}
            write_audit_entry(connection, actor, "inbound_webhook.sample_capture_opened", webhook_id, after=after)
            return expires_at_us

    def clear(self, actor: Actor, webhook_id: UUID) -> None:
        """Delete the sample and end the capture; nothing where neither is there. Raises NotFoundError."""
        with self._locked(actor.tenant_id, webhook_id) as (connection, parameters, row):
            before = {name: None if at is None else rfc3339(microseconds(at)) for name, at in row.items()}
            if any(before.values()):
                connection.execute(self._queries["clear_sample"].encode(), parameters)
                write_audit_entry(connection, actor, "inbound_webhook.sample_cleared", webhook_id, before=before)

    def captures(self) -> list[Capture]:
        """Captures that have not ended, of every tenant, the oldest CAPTURES_MAX of them."""
        with unavailability_translated(), self._pool.connection() as connection:
            connection.execute(self._queries["become_relay"].encode())
            rows = connection.execute(self._queries["list_captures"].encode(), {"limit": CAPTURES_MAX}).fetchall()
            return [Capture(**row) for row in rows]

    def keep(self, capture: Capture, sample: Sample) -> bool:
        """End the capture with this body, in one transaction; False when it has ended already, wherever that was."""
        try:
            return self._end(capture, sample)
        except _NOT_FOR_THE_DATABASE:
            return self._end(capture, sample._replace(json_text=None, refusal="the database does not take this JSON"))

    def expire(self, capture: Capture) -> bool:
        """End the capture with nothing; False when it has ended already."""
        return self._end(capture, None)

    def _end(self, capture: Capture, sample: Sample | None) -> bool:
        parameters: dict[str, Any] = capture._asdict()
        statement = "end_capture"
        if sample is not None and sample.json_text is not None:
            statement = "keep_sample"
            parameters |= {"sample": sample.json_text, "received_at_us": sample.received_at_us}
        with tenant_transaction(self._pool, capture.tenant_id) as connection:
            if connection.execute(self._queries[statement].encode(), parameters).rowcount == 0:
                return False
            action, after = _audited(sample)
            write_system_audit_entry(connection, capture.tenant_id, action, capture.webhook_id, after=after)
            return True

    @contextmanager
    def _locked(self, tenant_id: UUID, webhook_id: UUID) -> Iterator[tuple[Connection, dict[str, Any], dict[str, Any]]]:
        parameters: dict[str, Any] = {"tenant_id": tenant_id, "webhook_id": webhook_id}
        with tenant_transaction(self._pool, tenant_id) as connection:
            row = connection.execute(self._queries["lock_webhook"].encode(), parameters).fetchone()
            if row is None:
                raise NotFoundError(f"no inbound webhook {webhook_id}")
            yield connection, parameters, row


def _audited(sample: Sample | None) -> tuple[str, dict[str, Any] | None]:
    """How a capture ended, without the body."""
    if sample is None:
        return "inbound_webhook.sample_capture_expired", None
    facts: dict[str, Any] = {"delivery_id": sample.delivery_id, "body_bytes": sample.body_bytes}
    if sample.refusal is not None:
        return "inbound_webhook.sample_refused", {**facts, "message": sample.refusal}
    return "inbound_webhook.sample_captured", {**facts, "sample_captured_at": rfc3339(sample.received_at_us)}
