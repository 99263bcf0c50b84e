"""What a duplicate says of the first delivery of its key, in words and as members. Pure."""

from functools import lru_cache
from typing import Any

import orjson

from infra.clock import MICROSECONDS, rfc3339
from infra.jsonata import JsonataError
from infra.requests.bindings import PlannedRequest
from infra.requests.keys import KeyOf, build_key, key_compiler
from processors.core.dedupe import Entry
from schemas.bodies import BodyError, parse_body
from schemas.webhooks import IdempotencySource, WebhookConfig

_SIGNED_ID = "signed id"
_SCHEMES_WITH_SIGNED_IDS = frozenset({"standard_webhooks", "preset"})
_KEY_SECONDS_MAX = 0.05


def duplicate_outcome(config: WebhookConfig, request: PlannedRequest, first: Entry) -> dict[str, Any]:
    """The handler outcome of a duplicate. The window is the webhook's of today, from the first request on."""
    source = _source_of(config, request)
    received_at = rfc3339(first.received_at_us)
    window_ends_at = rfc3339(first.received_at_us + config.idempotency_window_seconds * MICROSECONDS)
    reason = f"same {source} as delivery {first.delivery_id}, received {received_at}; window ends {window_ends_at}"
    return {
        "duplicate": {
            "reason": reason,
            "first_delivery_id": first.delivery_id,
            "first_received_at": received_at,
            "window_ends_at": window_ends_at,
            "source": source,
        }
    }


def _source_of(config: WebhookConfig, request: PlannedRequest) -> str:
    """What gave the key: the webhook's own source, or the signed id where it has none or its source gives nothing."""
    source = config.idempotency_source
    if source is None:
        return _SIGNED_ID
    if config.auth_config.type in _SCHEMES_WITH_SIGNED_IDS and _own_key(source, request) != request.dedupe_key:
        return _SIGNED_ID
    return source.value


def _own_key(source: IdempotencySource, request: PlannedRequest) -> str | None:
    facts = orjson.loads(request.facts)
    try:
        body = parse_body(request.body, facts.get("content_type"))
        return _compiled(source)(facts.get("headers", {}), body, request.moment()[0])
    except (BodyError, JsonataError):
        return None


@lru_cache(maxsize=1_024)
def _compiled(source: IdempotencySource) -> KeyOf:
    key_of = build_key(source, key_compiler(timeout_seconds=_KEY_SECONDS_MAX))
    assert key_of is not None  # noqa: S101  # there is one for every source
    return key_of
