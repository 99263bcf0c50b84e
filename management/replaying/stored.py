"""A request put together from the log, once its record has left Kafka."""

import base64
from pathlib import Path

import orjson

from infra.clickhouse import Row
from infra.queries import load_queries
from management.replaying.places import FoundRecord, Lost, Place
from management.webhook_tests.records import facts_json
from schemas.headers import DeliveryHeaders, RecordPlace, Replay
from schemas.keys import request_key
from schemas.records import RequestFacts

#: What `stored_record` reads of a row of `deliveries`, as the columns of a statement.
STORED_COLUMNS = load_queries(Path(__file__).parent / "queries.sql")["stored_columns"]
ERASED = "its body was erased"
EXPIRED = "its body's retention ended"
MASKED = "its stored body is masked"
NOT_RECORDED = "the log has its outcome alone"
_MADE_ANEW = "another record stands there: the topic was made anew"


def stored_record(row: Row) -> FoundRecord | Lost:
    """The record of a row with the columns `stored_columns` (queries.sql), as it was before it left Kafka.

    The log has no ordering key: the record's key is the dedupe key's (or the id's), its partition is the old one.
    """
    place = place_of(row)
    if place is None:
        return Lost(None, NOT_RECORDED)
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


def found_or_stored(found: FoundRecord | Lost, row: Row) -> FoundRecord | Lost:
    """The record that was read at a row's place, or else what the log has of it. What was erased is lost at once."""
    if row["is_erased"]:
        return Lost(None if isinstance(found, FoundRecord) else found.where, ERASED)
    if isinstance(found, FoundRecord):
        headers = found.headers
        if (headers.delivery_id, headers.tenant_id) == (str(row["delivery_id"]), str(row["tenant_id"])):
            return found
        found = Lost(found.place, _MADE_ANEW)
    stored = stored_record(row)
    return Lost(found.where, f"{found.reason}; {stored.reason}") if isinstance(stored, Lost) else stored


def place_of(row: Row) -> Place | None:
    """Where a row's record stood when it was logged; None: only its outcome is in the log."""
    if row["raw_topic"] is None:
        return None
    return Place(row["raw_topic"], int(row["raw_partition"]), int(row["raw_offset"]))


def with_origin(found: FoundRecord, origin: Row) -> FoundRecord:
    """A record of a replay that does not say when and where its origin came, with what the origin's row says."""
    replay, place = found.headers.replay, place_of(origin)
    if replay is None or place is None:
        return found
    received_at_us = int(origin["received_at_us"])
    known = replay._replace(received_at_us=received_at_us, place=RecordPlace(*place, received_at_us // 1_000))
    return found._replace(headers=found.headers._replace(replay=known))


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
