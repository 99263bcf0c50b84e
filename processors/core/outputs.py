"""The records processors write, as JSON bytes. The contract tests hold these to the models of `schemas.records`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from schemas import headers as record_headers
from schemas.encoding import record_bytes
from schemas.headers import DeliveryHeaders
from schemas.records import DispatchStatus, Handler
from schemas.webhooks import ActionHandler, WebhookConfig, WorkflowHandler

HOPS_MAX = 1_000
_HOPS_HEADER = f'"{record_headers.HOPS}"'.encode()


class RecordOrigin(NamedTuple):
    """Where a request record stands; see `schemas.records.Origin`."""

    topic: str
    partition: int
    offset: int
    incarnation: str


def action_request(
    config: WebhookConfig,
    handler: ActionHandler,
    headers: DeliveryHeaders,
    fields: dict[str, Any],
    *,
    origin: RecordOrigin,
    release_key: bytes | None,
    hops: int,
    warnings: Sequence[str],
    metadata: Mapping[str, Any],
) -> bytes:
    """Value of actions.action.requested.v1."""
    return record_bytes(
        {
            "delivery_id": headers.delivery_id,
            "tenant_id": headers.tenant_id,
            "webhook_id": headers.webhook_id,
            "webhook_slug": config.slug,
            "config_version": config.version,
            "received_at": headers.received_at_us,
            "action": handler.action,
            "fields": fields,
            "options": handler.options,
            "origin": {
                "topic": origin.topic,
                "partition": origin.partition,
                "offset": origin.offset,
                "incarnation": origin.incarnation,
            },
            "release_key": None if release_key is None else release_key.hex(),
            "replay_id": None if headers.replay is None else headers.replay.replay_id,
            "replayed_from": None if headers.replay is None else headers.replay.replay_of,
            "is_test": headers.is_test,
            "hops": hops,
            "priority": config.priority,
            "warnings": warnings,
            "metadata": metadata,
        }
    )


def delivery_record(
    headers: DeliveryHeaders,
    status: DispatchStatus,
    recorded_at_us: int,
    *,
    error: dict[str, Any] | None = None,
    duplicate_of: str | None = None,
    outcome: dict[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    handler: ActionHandler | WorkflowHandler | None = None,
) -> bytes:
    """Value of webhooks.delivery.recorded.v1."""
    return record_bytes(
        {
            "delivery_id": headers.delivery_id,
            "tenant_id": headers.tenant_id,
            "webhook_id": headers.webhook_id,
            "received_at": headers.received_at_us,
            "recorded_at": recorded_at_us,
            "stage": "processors",
            "dispatch_status": status.value,
            "handler_outcome": outcome,
            "error": error,
            "duplicate_of": duplicate_of,
            "attempts": 1,
            "replay_id": None if headers.replay is None else headers.replay.replay_id,
            "replayed_from": None if headers.replay is None else headers.replay.replay_of,
            "is_test": headers.is_test,
            "trace_id": trace_id(headers.traceparent),
            "metadata": metadata or None,
            "handler": None if handler is None else handler_kind(handler),
            "action": handler.action if isinstance(handler, ActionHandler) else None,
            "action_requested_at": None,
        }
    )


def handler_kind(handler: ActionHandler | WorkflowHandler) -> Handler:
    """What records of deliveries call it."""
    return "action" if isinstance(handler, ActionHandler) else "workflow"


def trace_id(traceparent: str | None) -> str | None:
    """The trace id inside a W3C `traceparent`."""
    return None if traceparent is None else traceparent[3:35]


def forwarded_headers(headers: DeliveryHeaders) -> record_headers.RawHeaders:
    """What every record of a delivery carries on."""
    forwarded = [
        (record_headers.DELIVERY_ID, headers.delivery_id.encode()),
        (record_headers.TENANT_ID, headers.tenant_id.encode()),
    ]
    if headers.traceparent is not None:
        forwarded.append((record_headers.TRACEPARENT, headers.traceparent.encode()))
    return forwarded


def hops_of(headers: DeliveryHeaders) -> int:
    """How many of our own actions led to the request, as its header says: 0 without one and for one that is no number.

    At most HOPS_MAX; more than that is as good as that.
    """
    if _HOPS_HEADER not in headers.request:
        return 0
    text = str(orjson.loads(headers.request).get("headers", {}).get(record_headers.HOPS, ""))
    if not (text.isascii() and text.isdecimal()):
        return 0
    digits = text.lstrip("0") or "0"
    return HOPS_MAX if len(digits) > len(str(HOPS_MAX)) else min(int(digits), HOPS_MAX)
