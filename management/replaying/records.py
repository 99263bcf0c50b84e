"""The record of a replay, from its origin's: the same bytes under an id of its own. Pure."""

import hashlib
from typing import Any

from infra.ids import format_uuid7
from management.replaying.places import FoundRecord
from management.webhook_tests.records import RawRecord, WorkedOut, facts_json
from schemas.headers import DeliveryHeaders, RecordPlace, Replay
from schemas.keys import request_key
from schemas.records import RequestFacts
from schemas.webhooks import WebhookConfig

#: A replay of a replay has the origin of that one.
_DEPTH = 1


def replay_delivery_id(replay_id: str, origin_id: str, at_us: int) -> str:
    """The delivery id of a replay of `origin_id`, planned for `at_us`: whoever works it out again gets the same."""
    digest = hashlib.sha256(f"{replay_id}/{origin_id}".encode()).hexdigest()
    return format_uuid7(at_us, digest[:20])


def origin_id_of(headers: DeliveryHeaders) -> str:
    """The delivery that a replay of this record has as its origin."""
    return headers.delivery_id if headers.replay is None else headers.replay.replay_of


def replay_record(
    found: FoundRecord,
    config: WebhookConfig,
    *,
    replay_id: str,
    mode: str,
    delivery_id: str,
    at_us: int,
    changed: WorkedOut | None = None,
    body: bytes | None = None,
) -> RawRecord:
    """The record to publish. It goes where its origin stands, with the origin's key, unless the body is another one:
    `changed` is then what was worked out of `body`.
    """
    origin = found.headers
    facts = _facts(found.facts, config, None if changed is None else changed.facts)
    key, dedupe_key = found.key, origin.dedupe_key
    partition: int | None = found.place.partition
    if changed is not None:
        dedupe_key = changed.dedupe_key
        source_key = changed.ordering_key or dedupe_key or origin_id_of(origin)
        key, partition = request_key(config.tenant_id, config.webhook_id, source_key), None
    headers = DeliveryHeaders(
        delivery_id,
        config.tenant_id,
        config.webhook_id,
        config.version,
        at_us,
        facts_json(facts),
        dedupe_key,
        _traceparent(delivery_id),
        _replay(found, replay_id, mode),
        origin.is_test,
    )
    return RawRecord(found.place.topic, key, found.value if body is None else body, headers, facts, partition)


def _replay(found: FoundRecord, replay_id: str, mode: str) -> Replay:
    """Of a replay of a replay, what it says of its origin; else the record is the origin."""
    headers = found.headers
    if headers.replay is not None:
        return headers.replay._replace(replay_id=replay_id, mode=mode, depth=_DEPTH)
    place = RecordPlace(*found.place, found.timestamp_ms)
    return Replay(replay_id, headers.delivery_id, mode, _DEPTH, headers.received_at_us, place)


def _facts(origin: RequestFacts, config: WebhookConfig, changed: RequestFacts | None) -> RequestFacts:
    """What was masked stays masked, and what is to be masked by now is, too. Nothing waited for this request."""
    redact_paths = list(dict.fromkeys([*origin.redact_paths, *config.redact_paths]))
    update: dict[str, Any] = {"redact_paths": redact_paths, "priority": config.priority, "ingress_us": 0}
    if changed is not None:
        update |= {name: getattr(changed, name) for name in ("content_type", "headers", "invalid_json")}
    return origin.model_copy(update=update)


def _traceparent(delivery_id: str) -> str:
    """A trace of its own, which is the same however often the record is made."""
    span = hashlib.sha256(delivery_id.encode()).hexdigest()[:16]
    return f"00-{delivery_id.replace('-', '')}-{span}-01"
