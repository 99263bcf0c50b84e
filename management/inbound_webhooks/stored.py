"""A webhook as its rows hold it, and the way between rows and the API's form of the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson

from infra.postgres import Row
from management.inbound_webhooks.schemas import ActionHandlerSettings, InboundWebhookSettings, Json

_PLAIN_COLUMNS = (
    *("name", "slug", "description", "is_active", "auth_type", "idempotency_source", "idempotency_window_seconds"),
    *("ordering_key", "handler_type", "filters", "metadata", "enrichment", "redact_paths", "handshake", "priority"),
    *("rate_limit_per_minute", "max_body_bytes", "replay_count_max", "retention_days"),
)


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A ciphertext of `infra.secretbox`. `valid_until` is None for the current one."""

    slot: Literal["current", "previous"]
    sealed: str = field(repr=False)
    valid_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredWebhook:
    """One webhook. `sample_text` is the captured body as JSON text: None where there is none, or it was not read."""

    tenant_id: UUID
    id: UUID
    version: int
    settings: InboundWebhookSettings
    secrets: tuple[StoredSecret, ...]
    has_sample: bool
    sample_text: str | None = field(repr=False)
    sample_captured_at: datetime | None
    sample_capture_expires_at: datetime | None
    auto_disabled_at: datetime | None
    created_by: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime

    def secret(self, slot: Literal["current", "previous"]) -> StoredSecret | None:
        """The secret in this place."""
        return next((secret for secret in self.secrets if secret.slot == slot), None)


def from_row(row: Row) -> StoredWebhook:
    """From a row of the query `load_webhooks`."""
    return StoredWebhook(
        tenant_id=row["tenant_id"],
        id=row["id"],
        version=row["version"],
        settings=_settings(row),
        secrets=tuple(_secrets(row)),
        has_sample=row["has_sample"],
        sample_text=row["sample_text"],
        sample_captured_at=row["sample_captured_at"],
        sample_capture_expires_at=row["sample_capture_expires_at"],
        auto_disabled_at=row["auto_disabled_at"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def to_columns(settings: InboundWebhookSettings, json_schema: Mapping[str, Any] | None) -> Json:
    """Columns of `webhooks` by name, as JSON values. `json_schema` is that of `settings.validation`."""
    shown = settings.as_json()
    handler = settings.handler_config
    if isinstance(handler, ActionHandlerSettings):
        stored_handler: Json = {
            "action": handler.action,
            "field_mapping": handler.field_mapping,
            "options": handler.options,
        }
    else:
        stored_handler = {"workflow_id": handler.workflow_id}
    validation = None if shown["validation"] is None else {**shown["validation"], "json_schema": json_schema}
    auth_config = {name: value for name, value in shown["auth_config"].items() if name != "type"}
    columns = {name: shown[name] for name in _PLAIN_COLUMNS}
    return {**columns, "auth_config": auth_config, "handler_config": stored_handler, "validation": validation}


def _settings(row: Row) -> InboundWebhookSettings:
    stored_handler = dict(row["handler_config"])
    options = stored_handler.pop("options", {})
    validation = row["validation"]
    return InboundWebhookSettings.model_validate(
        {
            **{name: row[name] for name in _PLAIN_COLUMNS},
            "auth_config": {"type": row["auth_type"], **row["auth_config"]},
            "handler_config": {"type": row["handler_type"], **stored_handler, **options},
            "validation": None if validation is None else _without_schema(validation),
        }
    )


def _without_schema(validation: Mapping[str, Any]) -> Json:
    return {name: value for name, value in validation.items() if name != "json_schema"}


def _secrets(row: Row) -> list[StoredSecret]:
    return [
        StoredSecret(secret["slot"], secret["sealed"], _moment(secret["valid_until"]), _known(secret["created_at"]))
        for secret in row["secrets"]
    ]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else _known(text)


def _known(text: str) -> datetime:
    return datetime.fromisoformat(text)


def sample_of(stored: StoredWebhook) -> Any:
    """The captured body; None where there is none (a captured `null` is None too)."""
    return None if stored.sample_text is None else orjson.loads(stored.sample_text)
