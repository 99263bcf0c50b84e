"""The receipt of an erasure: what was asked, what went, what stays where and until when. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from infra.clock import rfc3339_of
from infra.postgres import Row
from infra.topics import (
    ACTION_DEAD_LETTERS,
    ACTIONS,
    DOMAIN_EVENTS,
    EXPEDITED,
    EXPEDITED_ACTIONS,
    RECEIVED,
    RECORDED,
    REJECTED,
    REQUEST_DEAD_LETTERS,
    TopicDeclaration,
)
from management.erasures.kept import KeptCleared

#: Kafka deletes whole segments, and begins another after this time at the latest (the broker's `log.roll.hours`).
SEGMENT_DAYS = 7
#: Topics that may hold what was in a request.
TOPICS = (
    *(RECEIVED, EXPEDITED, REQUEST_DEAD_LETTERS, RECORDED, ACTIONS, EXPEDITED_ACTIONS, ACTION_DEAD_LETTERS),
    *(DOMAIN_EVENTS, REJECTED),
)
#: From these the log can be written again.
_SOURCES = (RECEIVED, EXPEDITED, RECORDED)
_BODY_COLUMNS = ("body", "body_head")
_REQUEST_COLUMNS = ("request_query", "request_headers", "idempotency_key")
_OUTCOME_COLUMNS = tuple(
    f"{stage}_{name}" for stage in ("processed", "handled") for name in ("outcome", "error_message", "metadata")
)
_UNDECODABLE_DAYS = 30
_KEPT = "postgres.webhooks"
ENTITIES_MAX = 100


class Cleared(NamedTuple):
    """Deliveries that matched so far, whose outcomes went too, entities these led to, and what else went."""

    matched: int
    outcomes: int
    entities: Sequence[str]
    kept: KeptCleared


def in_force_until(asked_at: datetime, topics: Mapping[str, TopicDeclaration]) -> datetime:
    """As long as Kafka may have what the log is written from."""
    return max(_latest(asked_at, topics[name]) for name in _SOURCES)


def make_receipt(
    erasure: Row, cleared: Cleared, *, removed_at: datetime, rejection_days: int, topics: Mapping[str, TopicDeclaration]
) -> dict[str, Any]:
    """JSON values. `erasure` is a row of the query `list_due`; its own receipt is the one before this."""
    asked_at, before = erasure["asked_at"], erasure["receipt"] or {}
    by_value = erasure["kind"] == "value"
    ids = ("delivery_id", "webhook_id")
    columns = [*_BODY_COLUMNS, *(_REQUEST_COLUMNS if by_value else ())]
    return {
        "erasure_id": str(erasure["id"]),
        "tenant_id": str(erasure["tenant_id"]),
        "revision": before.get("revision", 0) + 1,
        "previous_hash": erasure["receipt_hash"],
        "kind": erasure["kind"],
        "status": "done",
        **{name: None if erasure[name] is None else str(erasure[name]) for name in ids},
        **{name: erasure[name] for name in ("path", "value_fingerprint", "reason", "asked_by")},
        "asked_at": rfc3339_of(asked_at),
        "in_force_until": rfc3339_of(erasure["in_force_until"]),
        "deliveries_matched": cleared.matched,
        "cleared": [
            {
                "store": "clickhouse.deliveries",
                "deliveries": cleared.matched,
                "columns": columns,
                "bytes_removed_at": rfc3339_of(removed_at),
            },
            *(
                [
                    {
                        "store": "clickhouse.deliveries",
                        "deliveries": cleared.outcomes,
                        "columns": list(_OUTCOME_COLUMNS),
                        "bytes_removed_at": rfc3339_of(removed_at),
                    }
                ]
                if by_value
                else []
            ),
            {"store": _KEPT, **cleared.kept._asdict()},
        ],
        "remaining": [*_in_kafka(asked_at, topics), *_in_tables(asked_at, cleared, rejection_days)],
    }


def kept_of(receipt: Mapping[str, Any]) -> KeptCleared:
    """What a receipt says of samples and tests; receipts of earlier releases say nothing."""
    for entry in receipt["cleared"]:
        if entry["store"] == _KEPT:
            return KeptCleared(entry["samples"], entry["tests"])
    return KeptCleared()


def receipt_hash(receipt: Mapping[str, Any]) -> str:
    """SHA-256 of the receipt as JSON with sorted names and without spaces."""
    return hashlib.sha256(orjson.dumps(receipt, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _latest(asked_at: datetime, topic: TopicDeclaration) -> datetime:
    return asked_at + timedelta(seconds=topic.retention_seconds or 0, days=SEGMENT_DAYS)


def _in_kafka(asked_at: datetime, topics: Mapping[str, TopicDeclaration]) -> list[dict[str, Any]]:
    return [
        {
            "store": f"kafka.{name}",
            "until": rfc3339_of(asked_at + timedelta(seconds=topics[name].retention_seconds or 0)),
            "at_the_latest": rfc3339_of(_latest(asked_at, topics[name])),
        }
        for name in TOPICS
    ]


def _in_tables(asked_at: datetime, cleared: Cleared, rejection_days: int) -> list[dict[str, Any]]:
    """What is not searched. `until` null: until somebody deletes it there."""
    return [
        {"store": "clickhouse.rejections", "until": rfc3339_of(asked_at + timedelta(days=rejection_days))},
        {"store": "clickhouse.undecodable_records", "until": rfc3339_of(asked_at + timedelta(days=_UNDECODABLE_DAYS))},
        {
            "store": "postgres",
            "what": "entities, comments, external ids and results of actions",
            "entities": list(cleared.entities[:ENTITIES_MAX]),
            "entities_found": len(cleared.entities),
            "until": None,
        },
    ]
