"""Deliveries of a tenant."""

from collections.abc import Generator
from datetime import UTC, datetime
from uuid import UUID

from infra.clickhouse import Row
from management.deliveries.filters import DeliveryExport, DeliveryFilter, WebhookDeliveryFilter
from management.deliveries.repository import DeliveryRepository
from management.deliveries.rows import Related, shown_delivery, shown_detail, shown_related, uuid_of
from management.deliveries.schemas import DeliveryDetail, InboundWebhookDelivery, RelatedDelivery
from management.errors import NotFoundError
from management.exports import ExportResponse, ExportRoom, Lines
from management.log_pages import LogPage


class DeliveryService:
    """Reads only; a tenant sees its own deliveries. Raises as the stores do, and SearchTooWideError."""

    def __init__(self, repository: DeliveryRepository, exports: ExportRoom) -> None:
        self._repository = repository
        self._exports = exports

    def page(self, tenant_id: UUID, wanted: DeliveryFilter) -> LogPage[InboundWebhookDelivery]:
        """A page, newest first."""
        rows, meta = self._repository.page(tenant_id, wanted)
        return LogPage(data=[shown_delivery(row) for row in rows], meta=meta)

    def export(self, tenant_id: UUID, wanted: DeliveryExport) -> ExportResponse:
        """Everything that is wanted, as a file. Raises TooManyRequestsError while others take all the room."""
        chunks = self._exports.held(self._chunks(tenant_id, wanted))
        return ExportResponse(chunks, wanted.format, "deliveries", datetime.now(UTC))

    def get(self, tenant_id: UUID, delivery_id: UUID) -> DeliveryDetail:
        """One delivery. Raises NotFoundError, also for another tenant's."""
        return self._get(tenant_id, delivery_id, None)

    def page_of_webhook(
        self, tenant_id: UUID, webhook_id: UUID, wanted: WebhookDeliveryFilter
    ) -> LogPage[InboundWebhookDelivery]:
        """A page of one webhook's. Raises NotFoundError where the tenant has no such webhook (any more)."""
        self._require_webhook(tenant_id, webhook_id)
        given = wanted.model_dump(exclude_unset=True)
        return self.page(tenant_id, DeliveryFilter(**given, webhook_id=[webhook_id]))

    def get_of_webhook(self, tenant_id: UUID, webhook_id: UUID, delivery_id: UUID) -> DeliveryDetail:
        """One delivery of a webhook. Raises NotFoundError, also for another webhook's."""
        self._require_webhook(tenant_id, webhook_id)
        return self._get(tenant_id, delivery_id, webhook_id)

    def _require_webhook(self, tenant_id: UUID, webhook_id: UUID) -> None:
        if not self._repository.has_webhook(tenant_id, webhook_id):
            raise NotFoundError(f"no webhook {webhook_id}")

    def _get(self, tenant_id: UUID, delivery_id: UUID, webhook_id: UUID | None) -> DeliveryDetail:
        row = self._repository.get(tenant_id, delivery_id, webhook_id)
        if row is None:
            raise NotFoundError(f"no delivery {delivery_id}")
        replay = None if row["replay_id"] is None else self._repository.find_replay(tenant_id, delivery_id)
        return shown_detail(row, self._related(tenant_id, row), replay)

    def _related(self, tenant_id: UUID, row: Row) -> Related:
        found, is_complete = self._repository.related(tenant_id, row)
        return Related(
            first_delivery=self._named(tenant_id, row["webhook_id"], row["duplicate_of"]),
            replay_origin=self._named(tenant_id, row["webhook_id"], row["replayed_from"]),
            others=[(shown_related(one), bool(one["is_duplicate"])) for one in found],
            is_complete=is_complete,
        )

    def _named(self, tenant_id: UUID, webhook_id: UUID, delivery_id: str | None) -> RelatedDelivery | None:
        named = uuid_of(delivery_id)
        if named is None:
            return None
        row = self._repository.find(tenant_id, webhook_id, named)
        if row is None:
            return RelatedDelivery(delivery_id=named, received_at=None, dispatch_status=None)
        return shown_related(row)

    def _chunks(self, tenant_id: UUID, wanted: DeliveryExport) -> Generator[bytes]:
        lines = Lines(InboundWebhookDelivery, wanted.format)
        with self._repository.export(tenant_id, wanted) as blocks:
            yield from lines.chunks(blocks, lambda block: map(shown_delivery, block))
