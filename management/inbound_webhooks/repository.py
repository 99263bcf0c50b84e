"""Webhooks in Postgres; every statement is for one tenant, in a transaction of the caller's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg import errors
from psycopg.types.json import Jsonb

from infra.postgres import Connection
from infra.queries import load_queries
from management.errors import ConflictError, NotFoundError, Problem
from management.inbound_webhooks.schemas import InboundWebhookSettings, Json, WebhookListRequest
from management.inbound_webhooks.stored import StoredWebhook, from_row, to_columns
from management.paging import read_page

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_SLUG_KEY = "webhooks_tenant_id_slug_key"
_JSON_COLUMNS = (
    *("auth_config", "idempotency_source", "handler_config", "filters", "metadata", "enrichment", "redact_paths"),
    *("handshake", "validation", "retention_days"),
)


def load_webhooks(
    connection: Connection, tenant_id: UUID, webhook_ids: Sequence[UUID], *, with_sample: bool = False
) -> list[StoredWebhook]:
    """Those of the tenant that are there, in the order of `webhook_ids`."""
    parameters = {"tenant_id": tenant_id, "ids": list(webhook_ids), "with_sample": with_sample}
    return [from_row(row) for row in connection.execute(_QUERIES["load_webhooks"].encode(), parameters)]


def load_webhook(connection: Connection, tenant_id: UUID, webhook_id: UUID) -> StoredWebhook:
    """The webhook with its sealed secrets and its sample. Raises NotFoundError, also for another tenant's."""
    found = load_webhooks(connection, tenant_id, [webhook_id], with_sample=True)
    if not found:
        raise NotFoundError(f"no webhook {webhook_id}")
    return found[0]


def load_to_change(connection: Connection, tenant_id: UUID, webhook_id: UUID) -> StoredWebhook:
    """As `load_webhook`; other changes of the webhook wait until the transaction ends."""
    connection.execute(_QUERIES["lock_webhook"].encode(), {"tenant_id": tenant_id, "id": webhook_id})
    return load_webhook(connection, tenant_id, webhook_id)


def load_to_delete(connection: Connection, tenant_id: UUID, webhook_id: UUID) -> StoredWebhook:
    """As `load_to_change`; whoever is about to name the webhook in `external_ids_of` waits too."""
    connection.execute(_QUERIES["lock_webhook_to_delete"].encode(), {"tenant_id": tenant_id, "id": webhook_id})
    return load_webhook(connection, tenant_id, webhook_id)


def list_webhooks(
    connection: Connection, tenant_id: UUID, wanted: WebhookListRequest
) -> tuple[list[StoredWebhook], int]:
    """A page without samples, and how many there are in all."""
    parameters = {
        **wanted.model_dump(exclude={"page", "per_page", "search"}),
        "tenant_id": tenant_id,
        "pattern": None if wanted.search is None else f"%{_literal(wanted.search)}%",
        "limit": wanted.per_page,
        "offset": (wanted.page - 1) * wanted.per_page,
    }
    rows, total = read_page(connection, _QUERIES, parameters, count="count_webhooks", rows="find_webhooks")
    return load_webhooks(connection, tenant_id, [row["id"] for row in rows]), total


def require_room(connection: Connection, tenant_id: UUID, webhooks_max: int) -> None:
    """Raises ConflictError where the tenant has as many as it may; several at the same moment may go over."""
    row = connection.execute(_QUERIES["count_of_tenant"].encode(), {"tenant_id": tenant_id}).fetchone()
    if row is not None and row["webhooks"] >= webhooks_max:
        raise ConflictError(f"the tenant has {row['webhooks']:,} webhooks, and may have no more: delete some first")


def insert_webhook(
    connection: Connection,
    tenant_id: UUID,
    webhook_id: UUID,
    settings: InboundWebhookSettings,
    *,
    json_schema: Mapping[str, Any] | None,
    created_by: Json,
) -> None:
    """Make version 1. Raises ConflictError when the slug is taken."""
    parameters = _parameters(tenant_id, webhook_id, settings, json_schema) | {"created_by": Jsonb(created_by)}
    _write(connection, "insert_webhook", parameters, settings.slug)


def update_webhook(
    connection: Connection,
    stored: StoredWebhook,
    settings: InboundWebhookSettings,
    json_schema: Mapping[str, Any] | None,
) -> None:
    """Make the next version of a webhook loaded to be changed. Raises ConflictError when the slug is taken."""
    parameters = _parameters(stored.tenant_id, stored.id, settings, json_schema)
    _write(connection, "update_webhook", parameters, settings.slug)


def switch_webhook(connection: Connection, stored: StoredWebhook, *, active: bool) -> None:
    """Make the next version of a webhook loaded to be changed, which is on or off from now on."""
    parameters = {"tenant_id": stored.tenant_id, "id": stored.id, "is_active": active}
    connection.execute(_QUERIES["switch_webhook"].encode(), parameters)


def touch_webhook(connection: Connection, stored: StoredWebhook) -> None:
    """Make the next version of a webhook whose settings stay: its secrets changed."""
    connection.execute(_QUERIES["touch_webhook"].encode(), {"tenant_id": stored.tenant_id, "id": stored.id})


def delete_webhook(connection: Connection, stored: StoredWebhook) -> None:
    """Take it away with its secrets, versions, tests and external ids."""
    connection.execute(_QUERIES["delete_webhook"].encode(), {"tenant_id": stored.tenant_id, "id": stored.id})


def webhooks_that_name(connection: Connection, tenant_id: UUID, webhook_id: UUID) -> list[str]:
    """Slugs of other webhooks whose `external_ids_of` is this one, ten at most."""
    parameters = {"tenant_id": tenant_id, "id": webhook_id}
    return [row["slug"] for row in connection.execute(_QUERIES["webhooks_that_name"].encode(), parameters)]


def slug_is_taken(connection: Connection, tenant_id: UUID, slug: str, *, but_by: UUID | None) -> bool:
    """Whether another webhook than `but_by` has the slug."""
    parameters = {"tenant_id": tenant_id, "slug": slug, "id": but_by}
    row = connection.execute(_QUERIES["slug_is_taken"].encode(), parameters).fetchone()
    return row is not None and row["taken"]


def namespace_target(connection: Connection, tenant_id: UUID, webhook_id: UUID) -> tuple[bool, str | None]:
    """Whether the webhook exists, and whose external ids it uses itself.

    Until the transaction ends it cannot be deleted, and no other change of the tenant can name a namespace.
    """
    connection.execute(_QUERIES["lock_namespaces"].encode(), {"tenant_id": tenant_id})
    parameters = {"tenant_id": tenant_id, "id": webhook_id}
    row = connection.execute(_QUERIES["namespace_target"].encode(), parameters).fetchone()
    return (False, None) if row is None else (True, row["external_ids_of"])


def slug_taken(slug: str) -> ConflictError:
    """What a taken slug is answered with."""
    message = f"slug {slug} is taken"
    return ConflictError(message, details=[Problem("slug", message)])


def _write(connection: Connection, query: str, parameters: Mapping[str, Any], slug: str) -> None:
    try:
        connection.execute(_QUERIES[query].encode(), parameters)
    except errors.UniqueViolation as error:
        if error.diag.constraint_name != _SLUG_KEY:
            raise
        raise slug_taken(slug) from error


def _parameters(
    tenant_id: UUID, webhook_id: UUID, settings: InboundWebhookSettings, json_schema: Mapping[str, Any] | None
) -> Json:
    columns = to_columns(settings, json_schema)
    for name in _JSON_COLUMNS:
        columns[name] = None if columns[name] is None else Jsonb(columns[name])
    return {**columns, "tenant_id": tenant_id, "id": webhook_id}


def _literal(text: str) -> str:
    """Text as a LIKE pattern that matches it and nothing else."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
