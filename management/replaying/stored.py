"""A request put together from the log, once its record has left Kafka. Pure."""

import base64

import orjson

from infra.clickhouse import Row
from management.replaying.places import FoundRecord, Lost, Place
from management.webhook_tests.records import facts_json
from schemas.headers import DeliveryHeaders, Replay
from schemas.keys import request_key
from schemas.records import RequestFacts

ERASED = "its body was erased"
EXPIRED = "its body's retention ended"
MASKED = "its stored body is masked"
NOT_RECORDED = "the log has its outcome alone"


def stored_record(row: Row) -> FoundRecord | Lost:
    """The record of a row with the columns `stored_columns` (queries.sql), as it was before it left Kafka.

    The log has no ordering key: the record's key is the dedupe key's (or the id's), its partition is the old one.
    """
    if row["raw_topic"] is None:
        return Lost(None, NOT_RECORDED)
    place = Place(row["raw_topic"], int(row["raw_partition"]), int(row["raw_offset"]))
    reason = _why_lost(row)
    if reason is not None:
        return Lost(place, reason)
    tenant_id, webhook_id, delivery_id = str(row["tenant_id"]), str(row["webhook_id"]), str(row["delivery_id"])
    dedupe_key = row["idempotency_key"]
    facts = _facts(row)
    headers = DeliveryHeaders(
        delivery_id,
        tenant_id,
        webhook_id,
        int(row["config_version"]),
        int(row["received_at_us"]),
        facts_json(facts),
        dedupe_key,
        None,
        _replay(row),
        bool(row["is_test"]),
    )
    source_key = delivery_id if dedupe_key is None else dedupe_key
    key = request_key(tenant_id, webhook_id, source_key)
    body = base64.b64decode(row["body_base64"])
    return FoundRecord(place, key, body, headers, headers.received_at_us // 1_000, facts, is_stored=True)


def _why_lost(row: Row) -> str | None:
    if row["is_erased"]:
        return ERASED
    if row["body_redacted"]:
        return MASKED
    if row["is_expired"] or not row["has_body"]:
        return EXPIRED
    return None


def _facts(row: Row) -> RequestFacts:
    return RequestFacts(
        method=row["request_method"],
        path=row["request_path"],
        query=orjson.loads(row["request_query"] or "{}"),
        headers=orjson.loads(row["request_headers"] or "{}"),
        source_ip=row["source_ip"] or "",
        user_agent=row["user_agent"],
        content_type=row["content_type"],
        invalid_json=bool(row["invalid_json"]),
        priority=row["priority"],
    )


def _replay(row: Row) -> Replay | None:
    """Without its origin's time and place, which the log has in the origin's row."""
    if row["replay_id"] is None:
        return None
    return Replay(row["replay_id"], row["replayed_from"] or "", row["replay_mode"] or "redrive", 1)
