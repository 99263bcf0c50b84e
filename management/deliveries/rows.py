"""Rows of the log as the API shows deliveries. Pure."""

from typing import Any, NamedTuple
from uuid import UUID

import orjson
from pydantic import BaseModel

from infra.clickhouse import Row
from infra.clock import rfc3339, rfc3339_of
from management.deliveries.schemas import (
    ChangedEntity,
    DeliveredRequest,
    DeliveryDetail,
    InboundWebhookDelivery,
    RelatedDelivery,
    ShownError,
    ShownLocation,
    ShownReplay,
    Stage,
    UserAgent,
)
from management.log_texts import RawRecord

#: Where the API shows what Hookline's own actions find and make.
ENTITY_PATHS = {
    "asset": "assets",
    "client": "clients",
    "contact": "contacts",
    "invoice": "invoices",
    "project": "projects",
    "project_task": "project-tasks",
    "tag": "tags",
    "ticket": "tickets",
    "time_entry": "time-entries",
}


class Related(NamedTuple):
    """Other deliveries that belong to one; `others` are its duplicates (true) and its replays (false)."""

    first_delivery: RelatedDelivery | None
    replay_origin: RelatedDelivery | None
    others: list[tuple[RelatedDelivery, bool]]
    is_complete: bool


def shown_related(row: Row) -> RelatedDelivery:
    """Another delivery, from its row."""
    return RelatedDelivery(
        delivery_id=row["delivery_id"],
        received_at=rfc3339(row["received_at_us"]),
        dispatch_status=row["dispatch_status"],
    )


def shown_delivery(row: Row) -> InboundWebhookDelivery:
    """A delivery as lists and exports show it."""
    return InboundWebhookDelivery(**_members_of(row))


def shown_detail(row: Row, related: Related, replay: Row | None) -> DeliveryDetail:
    """A delivery as it is shown by itself."""
    raw_record = None
    if row["raw_topic"] is not None:
        raw_record = RawRecord(**{name: row[f"raw_{name}"] for name in RawRecord.model_fields})
    members = _members_of(row)
    return DeliveryDetail(
        **members,
        timeline=_timeline(row),
        entity=_entity(row),
        workflow_run_id=uuid_of((members["handler_outcome"] or {}).get("workflow_run_id")),
        raw_record=raw_record,
        first_delivery=related.first_delivery,
        duplicates=[one for one, is_duplicate in related.others if is_duplicate],
        replay_origin=related.replay_origin,
        replays=[one for one, is_duplicate in related.others if not is_duplicate],
        replay=None if replay is None else _replay(replay, has_body=row["has_body"] and row["erased_at_us"] is None),
        related_is_complete=related.is_complete,
    )


def _members_of(row: Row) -> dict[str, Any]:
    received_at_us, recorded_at_us = row["received_at_us"], row["recorded_at_us"]
    return {
        "delivery_id": row["delivery_id"],
        "tenant_id": row["tenant_id"],
        "webhook_id": row["webhook_id"],
        "webhook_slug": row["webhook_slug"] or None,
        "config_version": row["config_version"],
        "received_at": rfc3339(received_at_us),
        "idempotency_key": row["idempotency_key"],
        "request": _request(row),
        "source_ip": row["source_ip"],
        "user_agent": UserAgent(raw=row["user_agent"], **_members(row, "user_agent_", UserAgent, "raw")),
        "location": _location(row),
        "metadata": orjson.loads(row["metadata"]) if row["metadata"] else {},
        "dispatch_status": row["dispatch_status"],
        "handler": row["handler"] or None,
        "action": row["action"] or None,
        "handler_outcome": orjson.loads(row["handler_outcome"]) if row["handler_outcome"] else None,
        "error": _error(row),
        "duplicate_of": UUID(row["duplicate_of"]) if row["duplicate_of"] else None,
        "response_status": row["response_status"],
        "ingress_ms": None if row["ingress_us"] is None else row["ingress_us"] / 1_000,
        "duration_ms": None if recorded_at_us is None else (recorded_at_us - received_at_us) / 1_000,
        "attempts": row["attempts"],
        "priority": row["priority"],
        "is_replay": row["replay_id"] is not None,
        "replayed_from": row["replayed_from"],
        "replay_id": row["replay_id"],
        "is_test": bool(row["is_test"]),
        "erased_at": None if row["erased_at_us"] is None else rfc3339(row["erased_at_us"]),
        "trace_id": row["trace_id"],
    }


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


def _replay(replay: Row, *, has_body: bool) -> ShownReplay:
    change = replay["change"] if has_body else None
    return ShownReplay(**{**replay, "replayed_at": rfc3339_of(replay["replayed_at"]), "change": change})


def _error(row: Row) -> ShownError | None:
    if not row["error_code"]:
        return None
    return ShownError(code=row["error_code"], message=row["error_message"], path=row["error_path"] or None)


def _timeline(row: Row) -> list[Stage]:
    received_at_us, ingress_us = row["received_at_us"], row["ingress_us"]
    moments = [
        ("received", received_at_us, None),
        ("accepted", None if ingress_us is None else received_at_us + ingress_us, None),
        ("processed", row["processed_at_us"], row["processed_status"]),
        ("handled", row["handled_at_us"], row["handled_status"]),
    ]
    return [
        Stage.model_validate(
            {"stage": stage, "at": rfc3339(at_us), "after_ms": (at_us - received_at_us) / 1_000, "status": status}
        )
        for stage, at_us, status in moments
        if at_us is not None
    ]


def _entity(row: Row) -> ChangedEntity | None:
    kind, entity_id = row["entity_type"], uuid_of(row["entity_id"])
    if not kind or entity_id is None:
        return None
    path = f"/{ENTITY_PATHS[kind]}/{entity_id}" if kind in ENTITY_PATHS else None
    return ChangedEntity(type=kind, id=entity_id, path=path)


def uuid_of(value: Any) -> UUID | None:
    """What is no UUID names nothing that the API has."""
    try:
        return UUID(value) if isinstance(value, str) and value else None
    except ValueError:
        return None
