"""What the pipeline reads from a consumed request record, and the keys that follow from it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from infra.requests.bindings import PlannedRequest
from infra.requests.plan import RequestPlan
from schemas.headers import DeliveryHeaders, RecordPlace
from schemas.keys import entity_key, replay_key, request_key
from schemas.webhooks import ActionHandler


def action_key(
    plan: RequestPlan,
    handler: ActionHandler,
    headers: DeliveryHeaders,
    *,
    fields: Mapping[str, Any],
    record_key: bytes,
) -> bytes:
    """What keeps its order: the requests of one ordering key where the webhook has them, else one external id."""
    if plan.config.ordering_key is not None:
        return record_key
    namespace = str(handler.options.get("external_ids_of") or headers.webhook_id)
    return entity_key(headers.tenant_id, namespace, fields.get("external_id") or headers.delivery_id)


def dedupe_key(headers: DeliveryHeaders) -> bytes | None:
    """The key to look up and to remember. A test must never swallow a real event, nor be swallowed by one.

    A replay that is to run what has run already (`redrive`) knows only keys of its own: of two replayed requests with
    one key, one runs.
    """
    if headers.dedupe_key is None or headers.is_test:
        return None
    if headers.replay is not None and headers.replay.mode == "redrive":
        return replay_key(headers.tenant_id, headers.webhook_id, headers.dedupe_key, headers.replay.replay_id)
    return request_key(headers.tenant_id, headers.webhook_id, headers.dedupe_key)


def origin_received_at_us(headers: DeliveryHeaders) -> int:
    """When the request came: of a replay, when its origin did."""
    replay = headers.replay
    return headers.received_at_us if replay is None or replay.received_at_us is None else replay.received_at_us


def planned_request(message: Any, headers: DeliveryHeaders) -> PlannedRequest:
    """The request as its plan reads it: of a replay as its origin was, so that the same mapping gives the same."""
    return PlannedRequest(
        message.value() or b"",
        headers.request,
        headers.delivery_id if headers.replay is None else headers.replay.replay_of,
        origin_received_at_us(headers),
        headers.dedupe_key,
        partial(_place, message, headers),
    )


def _place(message: Any, headers: DeliveryHeaders) -> RecordPlace:
    if headers.replay is not None and headers.replay.place is not None:
        return headers.replay.place
    return RecordPlace(message.topic(), message.partition(), message.offset(), message.timestamp()[1])
