"""Tests of a webhook in Postgres; every statement is for one tenant."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.types.json import Json as JsonColumn
from psycopg.types.json import Jsonb

from infra.postgres import Pool, Row, tenant_transaction
from infra.queries import load_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.configuration.records import read_records
from management.errors import ConflictError, NotFoundError
from management.webhook_tests.schemas import KEPT_TESTS_MAX, Json
from schemas.webhooks import WebhookConfig


@dataclass(frozen=True, slots=True)
class TestedWebhook:
    """A webhook as it would be in force now. `is_active` is its own switch, whatever its tenant is entitled to."""

    __test__ = False

    config: WebhookConfig
    is_active: bool
    sample_text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewTest:
    """A test to keep. `request` is as `KeptTest` shows it; `delivery_id` is None for a dry run."""

    webhook_id: UUID
    test_id: UUID
    delivery_id: UUID | None
    request: Json = field(repr=False)


class WebhookTestRepository:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries(Path(__file__).parent / "queries.sql")

    def find(self, tenant_id: UUID, webhook_id: UUID) -> TestedWebhook:
        """Raises NotFoundError, and ConflictError for a webhook that cannot be in force."""
        parameters = {"tenant_id": tenant_id, "webhook_id": webhook_id}
        with tenant_transaction(self._pool, tenant_id) as connection:
            row = connection.execute(self._queries["find_tested"].encode(), parameters).fetchone()
            if row is None:
                raise NotFoundError(f"no webhook {webhook_id}")
            config = read_records(connection, [(tenant_id, webhook_id)]).get((tenant_id, webhook_id))
        if config is None:
            raise ConflictError("the webhook has no usable configuration: save it again, with a secret")
        return TestedWebhook(config, row["is_active"], row["sample_text"])

    def add(self, actor: Actor, test: NewTest, answer: Json) -> None:
        """Keep a test and let go of those before the last KEPT_TESTS_MAX. Raises NotFoundError."""
        parameters: dict[str, Any] = {
            "tenant_id": actor.tenant_id,
            "webhook_id": test.webhook_id,
            "test_id": test.test_id,
            "tested_by": Jsonb(actor.as_json()),
            "dry_run": test.delivery_id is None,
            "request": JsonColumn(test.request),
            "answer": JsonColumn(answer),
            "delivery_id": test.delivery_id,
            "limit": KEPT_TESTS_MAX,
        }
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            if connection.execute(self._queries["lock_webhook"].encode(), parameters).fetchone() is None:
                raise NotFoundError(f"no webhook {test.webhook_id}")
            connection.execute(self._queries["insert_test"].encode(), parameters)
            connection.execute(self._queries["delete_older_tests"].encode(), parameters)
            if test.delivery_id is not None:
                after = {"delivery_id": str(test.delivery_id)}
                write_audit_entry(connection, actor, "inbound_webhook.tested", test.webhook_id, after=after)

    def answer(self, tenant_id: UUID, test: NewTest, answer: Json) -> None:
        """Keep what came back, if the test is still kept."""
        parameters = {
            "tenant_id": tenant_id,
            "webhook_id": test.webhook_id,
            "test_id": test.test_id,
            "answer": JsonColumn(answer),
        }
        with tenant_transaction(self._pool, tenant_id) as connection:
            connection.execute(self._queries["update_answer"].encode(), parameters)

    def kept(self, tenant_id: UUID, webhook_id: UUID) -> list[Row]:
        """The last tests, newest first. Raises NotFoundError."""
        parameters = {"tenant_id": tenant_id, "webhook_id": webhook_id, "limit": KEPT_TESTS_MAX}
        with tenant_transaction(self._pool, tenant_id) as connection:
            if connection.execute(self._queries["find_tested"].encode(), parameters).fetchone() is None:
                raise NotFoundError(f"no webhook {webhook_id}")
            return connection.execute(self._queries["list_tests"].encode(), parameters).fetchall()
