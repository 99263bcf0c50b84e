"""From rows to the records that ingress and processors read, and the note that a record is to be published."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from infra.log import get_logger
from infra.postgres import Connection, Row
from infra.queries import load_queries
from schemas.webhooks import WebhookConfig

QUERIES = load_queries(Path(__file__).parent / "queries.sql")
#: Of one record: below what the topic takes, with room for its key and the batch around it.
RECORD_BYTES_MAX = 1_000_000
WebhookKey = tuple[UUID, UUID]
_log = get_logger(__name__)


def enqueue_change(connection: Connection, tenant_id: UUID, webhook_id: UUID) -> None:
    """Have the webhook published as it is after this transaction (deleted: taken out of force)."""
    connection.execute(QUERIES["enqueue"].encode(), {"tenant_id": tenant_id, "webhook_id": webhook_id})


def record_value(record: WebhookConfig) -> bytes:
    """The record as it is published."""
    return record.model_dump_json().encode()


def read_records(connection: Connection, keys: Sequence[WebhookKey]) -> dict[WebhookKey, WebhookConfig]:
    """The webhooks of (tenant, webhook) `keys` as they stand now.

    Left out are those that do not exist, and those that cannot be in force: a row of an earlier release without a
    proof is logged and counts as absent.
    """
    parameters = {"tenant_ids": [key[0] for key in keys], "webhook_ids": [key[1] for key in keys]}
    records: dict[WebhookKey, WebhookConfig] = {}
    for row in connection.execute(QUERIES["read_records"].encode(), parameters):
        key = row["tenant_id"], row["webhook_id"]
        try:
            records[key] = _record(row)
        except ValidationError as error:
            members = [".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)]
            _log.error("configuration.record.unusable", webhook_id=str(key[1]), members=members)
    return records


def _record(row: Row) -> WebhookConfig:
    secrets = row.pop("secrets")
    auth_config = {**row.pop("auth_config"), **({"secrets": secrets} if secrets else {})}
    ids = {"tenant_id": str(row.pop("tenant_id")), "webhook_id": str(row.pop("webhook_id"))}
    return WebhookConfig.model_validate({**row, **ids, "auth_config": auth_config})
