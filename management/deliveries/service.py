"""Deliveries of a tenant."""

from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel

from infra.clickhouse import Row
from infra.clock import rfc3339
from management.deliveries.repository import DeliveryRepository
from management.deliveries.schemas import (
    DeliveredRequest,
    DeliveryFilter,
    InboundWebhookDelivery,
    ShownError,
    ShownLocation,
    UserAgent,
    WebhookDeliveryFilter,
)
from management.errors import NotFoundError
from management.paging import Page, PageMeta


class DeliveryService:
    """Reads only; a tenant sees its own deliveries."""

    def __init__(self, repository: DeliveryRepository) -> None:
        self._repository = repository

    def page(self, tenant_id: UUID, wanted: DeliveryFilter) -> Page[InboundWebhookDelivery]:
        """A page, newest first."""
        rows, total = self._repository.page(tenant_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[_delivery(row) for row in rows], meta=meta)

    def get(self, tenant_id: UUID, delivery_id: UUID) -> InboundWebhookDelivery:
        """One delivery. Raises NotFoundError, also for another tenant's."""
        return self._get(tenant_id, delivery_id, None)

    def page_of_webhook(
        self, tenant_id: UUID, webhook_id: UUID, wanted: WebhookDeliveryFilter
    ) -> Page[InboundWebhookDelivery]:
        """A page of one webhook's. Raises NotFoundError where the tenant has no such webhook (any more)."""
        self._require_webhook(tenant_id, webhook_id)
        return self.page(tenant_id, DeliveryFilter(**wanted.model_dump(), webhook_id=webhook_id))

    def get_of_webhook(self, tenant_id: UUID, webhook_id: UUID, delivery_id: UUID) -> InboundWebhookDelivery:
        """One delivery of a webhook. Raises NotFoundError, also for another webhook's."""
        self._require_webhook(tenant_id, webhook_id)
        return self._get(tenant_id, delivery_id, webhook_id)

    def _require_webhook(self, tenant_id: UUID, webhook_id: UUID) -> None:
        if not self._repository.has_webhook(tenant_id, webhook_id):
            raise NotFoundError(f"no webhook {webhook_id}")

    def _get(self, tenant_id: UUID, delivery_id: UUID, webhook_id: UUID | None) -> InboundWebhookDelivery:
        row = self._repository.get(tenant_id, delivery_id, webhook_id)
        if row is None:
            raise NotFoundError(f"no delivery {delivery_id}")
        return _delivery(row)


def _delivery(row: Row) -> InboundWebhookDelivery:
    received_at_us, recorded_at_us = row["received_at_us"], row["recorded_at_us"]
    return InboundWebhookDelivery(
        delivery_id=row["delivery_id"],
        tenant_id=row["tenant_id"],
        webhook_id=row["webhook_id"],
        webhook_slug=row["webhook_slug"] or None,
        config_version=row["config_version"],
        received_at=rfc3339(received_at_us),
        idempotency_key=row["idempotency_key"],
        request=_request(row),
        source_ip=row["source_ip"],
        user_agent=UserAgent(raw=row["user_agent"], **_members(row, "user_agent_", UserAgent, "raw")),
        location=_location(row),
        metadata=orjson.loads(row["metadata"]) if row["metadata"] else {},
        dispatch_status=row["dispatch_status"],
        handler_outcome=orjson.loads(row["handler_outcome"]) if row["handler_outcome"] else None,
        error=_error(row),
        duplicate_of=UUID(row["duplicate_of"]) if row["duplicate_of"] else None,
        response_status=row["response_status"],
        ingress_ms=None if row["ingress_us"] is None else row["ingress_us"] / 1_000,
        duration_ms=None if recorded_at_us is None else (recorded_at_us - received_at_us) / 1_000,
        attempts=row["attempts"],
        is_replay=row["replay_id"] is not None,
        replayed_from=row["replayed_from"],
        replay_id=row["replay_id"],
        is_test=bool(row["is_test"]),
        trace_id=row["trace_id"],
    )


def _request(row: Row) -> DeliveredRequest:
    return DeliveredRequest(
        method=row["request_method"],
        path=row["request_path"],
        query=orjson.loads(row["request_query"] or "{}"),
        headers=orjson.loads(row["request_headers"] or "{}"),
        body=row["body"],
        body_encoding=row["body_encoding"],
        body_bytes=row["body_bytes"],
        body_truncated=bool(row["body_truncated"]),
        body_redacted=bool(row["body_redacted"]),
        content_type=row["content_type"],
    )


def _location(row: Row) -> ShownLocation | None:
    members = _members(row, "location_", ShownLocation)
    return ShownLocation(**members) if any(value is not None for value in members.values()) else None


def _members(row: Row, prefix: str, model: type[BaseModel], *but: str) -> dict[str, Any]:
    """The columns of a model's members, which go by their names behind `prefix`."""
    return {name: row[f"{prefix}{name}"] for name in model.model_fields if name not in but}


def _error(row: Row) -> ShownError | None:
    if not row["error_code"]:
        return None
    return ShownError(code=row["error_code"], message=row["error_message"], path=row["error_path"] or None)
