"""Rejections of a tenant."""

from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from infra.clickhouse import Row
from infra.clock import rfc3339
from infra.postgres import Pool, tenant_transaction
from infra.topics import REJECTED
from management.access import Actor
from management.errors import NotFoundError
from management.exports import ExportResponse, ExportRoom, Lines
from management.inbound_webhooks.repository import load_webhooks
from management.inbound_webhooks.schemas import InboundWebhookSettings
from management.log_pages import LogPage
from management.log_texts import RawRecord
from management.rejections.repository import RejectionRepository
from management.rejections.schemas import Rejection, RejectionDetail, RejectionExport, RejectionFilter
from management.rejections.words import explanation
from schemas.presets import Preset

_UNKNOWN = UUID(int=0)
_READ_WEBHOOKS = "inbound_webhook:read"
SettingsById = Mapping[UUID, InboundWebhookSettings]


class RejectionService:
    """Reads only; a tenant sees its own rejections. Raises as the stores do."""

    def __init__(
        self, repository: RejectionRepository, pool: Pool, presets: Mapping[str, Preset], exports: ExportRoom
    ) -> None:
        self._repository = repository
        self._exports = exports
        self._pool = pool
        self._presets = presets

    def page(self, actor: Actor, wanted: RejectionFilter) -> LogPage[Rejection]:
        """A page, newest first. Raises SearchTooWideError."""
        rows, meta = self._repository.page(actor.tenant_id, wanted)
        return LogPage(data=self._shown(actor, rows), meta=meta)

    def export(self, actor: Actor, wanted: RejectionExport) -> ExportResponse:
        """Everything that is wanted, as a file. Raises TooManyRequestsError while others take all the room."""
        chunks = self._exports.held(self._chunks(actor, wanted))
        return ExportResponse(chunks, wanted.format, "rejections", datetime.now(UTC))

    def get(self, actor: Actor, rejection_id: UUID) -> RejectionDetail:
        """One rejection. Raises NotFoundError, also for another tenant's."""
        row = self._repository.get(actor.tenant_id, rejection_id)
        if row is None:
            raise NotFoundError(f"no rejection {rejection_id}")
        [shown] = self._shown(actor, [row])
        record = RawRecord(
            topic=REJECTED,
            incarnation=row["raw_incarnation"],
            partition=row["raw_partition"],
            offset=row["raw_offset"],
        )
        return RejectionDetail(**shown.model_dump(), raw_record=record)

    def _chunks(self, actor: Actor, wanted: RejectionExport) -> Generator[bytes]:
        lines = Lines(Rejection, wanted.format)

        def shown(block: Sequence[Any]) -> list[Rejection]:
            return self._shown(actor, block)

        with self._repository.export(actor.tenant_id, wanted) as blocks:
            yield from lines.chunks(blocks, shown)

    def _shown(self, actor: Actor, rows: Sequence[Row]) -> list[Rejection]:
        settings = self._settings(actor, {row["webhook_id"] for row in rows} - {_UNKNOWN})
        return [
            _rejection(row, explanation(row["reason"], settings.get(row["webhook_id"]), self._presets)) for row in rows
        ]

    def _settings(self, actor: Actor, webhook_ids: set[UUID]) -> SettingsById:
        """Of those that are there still, and that the caller may read."""
        if not webhook_ids or not actor.may(_READ_WEBHOOKS):
            return {}
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            found = load_webhooks(connection, actor.tenant_id, sorted(webhook_ids))
        return {webhook.id: webhook.settings for webhook in found}


def _rejection(row: Row, words: str) -> Rejection:
    return Rejection(
        rejection_id=row["rejection_id"],
        rejected_at=rfc3339(row["rejected_at_us"]),
        webhook_id=None if row["webhook_id"] == _UNKNOWN else row["webhook_id"],
        method=row["method"],
        path=row["path"],
        headers=orjson.loads(row["headers"] or "{}"),
        source_ip=row["source_ip"],
        user_agent=row["user_agent"],
        reason=row["reason"],
        explanation=words,
        count=row["count"],
    )
