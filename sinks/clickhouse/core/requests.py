"""Raw request records as the request columns of `deliveries`, with what they tell about the sender.

A body is masked here, on its way into the log; its record stays as it came.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa
from pydantic import TypeAdapter

from infra.enrichment.locations import Find, Location, nowhere
from infra.enrichment.user_agents import parse_user_agent
from infra.requests.redaction import compile_redaction
from infra.retention.days import ReadRetention, Retention, Setting, no_retention
from schemas import headers as record_headers
from schemas.records import RequestFacts
from sinks.clickhouse.core.rows import (
    ConsumedRecord,
    Rows,
    Source,
    Undecodable,
    check_ids,
    check_integer,
    check_time,
    expiries,
    source_columns,
    times,
)

_parse_facts = TypeAdapter(RequestFacts).validate_json
_Row = tuple[object, ...]
_NOWHERE = Location()
#: Columns by name with their types, in the order of `_row`; the offset goes before them.
_COLUMNS: Mapping[str, pa.DataType | None] = {
    "tenant_id": pa.string(),
    "webhook_id": pa.string(),
    "received_at": None,
    "delivery_id": pa.string(),
    "config_version": pa.uint64(),
    "idempotency_key": pa.binary(),
    "request_method": pa.string(),
    "request_path": pa.string(),
    "request_query": pa.binary(),
    "request_headers": pa.binary(),
    "content_type": pa.string(),
    "body": pa.large_binary(),
    "body_bytes": pa.uint32(),
    "body_redacted": pa.bool_(),
    "source_ip": pa.string(),
    "user_agent": pa.string(),
    "user_agent_browser": pa.string(),
    "user_agent_os": pa.string(),
    "user_agent_device": pa.string(),
    "invalid_json": pa.bool_(),
    "ingress_us": pa.uint64(),
    "priority": pa.uint8(),
    "is_test": pa.bool_(),
    "replay_id": pa.string(),
    "replayed_from": pa.string(),
    "replay_mode": pa.string(),
    "trace_id": pa.string(),
    "location_country_code": pa.string(),
    "location_country": pa.string(),
    "location_region": pa.string(),
    "location_city": pa.string(),
    "location_latitude": pa.float64(),
    "location_longitude": pa.float64(),
    "location_time_zone": pa.string(),
    "location_asn": pa.uint32(),
    "location_organisation": pa.string(),
}
_TENANT_ID, _WEBHOOK_ID, _RECEIVED_AT, _BODY = (
    1 + list(_COLUMNS).index(name) for name in ("tenant_id", "webhook_id", "received_at", "body")
)
#: What stays of a body that is never written whole; the table takes as much of every other by itself.
_HEAD_BYTES = 1_024


def build_requests(
    records: Sequence[ConsumedRecord],
    source: Source,
    *,
    locate: Find = nowhere,
    read_retention: ReadRetention = no_retention,
) -> list[Rows]:
    """Rows of `deliveries`, and of `undecodable_records` for what cannot be read; `locate` says where addresses are."""
    undecodable = Undecodable(source)
    # Columns from the start: rows kept as tuples would be one more thing per row for the garbage collector to walk.
    columns: list[list[Any]] = [[] for _ in range(1 + len(_COLUMNS))]
    appends = [column.append for column in columns]
    for record in records:
        try:
            row = _row(record, locate)
        except ValueError as error:
            undecodable.add(record, error)
            continue
        for append, value in zip(appends, row, strict=True):
            append(value)
    built = [_deliveries(columns, source, read_retention())] if columns[0] else []
    kept = undecodable.build()
    return [*built, kept] if kept is not None else built


def _row(record: ConsumedRecord, locate: Find) -> _Row:
    headers = record_headers.decode(record.headers())
    facts = _parse_facts(headers.request)
    check_ids(headers.tenant_id, headers.webhook_id, headers.delivery_id)
    replay = headers.replay
    key = headers.dedupe_key
    body = record.value() or b""
    shown = compile_redaction(tuple(facts.redact_paths)).show(body, facts.content_type)
    return (
        record.offset(),
        headers.tenant_id,
        headers.webhook_id,
        check_time("received-at", headers.received_at_us),
        headers.delivery_id,
        check_integer("config version", headers.config_version),
        None if key is None else key.encode("utf-8", "replace"),
        facts.method,
        facts.path,
        orjson.dumps(facts.query),
        orjson.dumps(facts.headers),
        facts.content_type,
        shown.body,
        len(body),
        shown.redacted,
        facts.source_ip,
        facts.user_agent,
        *parse_user_agent(facts.user_agent),
        facts.invalid_json,
        check_integer("ingress_us", facts.ingress_us),
        facts.priority,
        headers.is_test,
        None if replay is None else replay.replay_id,
        None if replay is None else replay.replay_of,
        None if replay is None else replay.mode,
        _trace_id(headers.traceparent),
        *(locate(facts.source_ip) or _NOWHERE),
    )


def _trace_id(traceparent: str | None) -> str | None:
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) >= 4 else None


def _deliveries(by_column: Sequence[list[Any]], source: Source, retention: Retention) -> Rows:
    offsets, received_at = by_column[0], by_column[_RECEIVED_AT]
    columns = {
        name: times(values) if kind is None else pa.array(values, kind)
        for (name, kind), values in zip(_COLUMNS.items(), by_column[1:], strict=True)
    }
    columns |= source_columns(
        source, len(received_at), topic="raw_topic", incarnation="raw_incarnation", partition="raw_partition"
    )
    columns["raw_offset"] = pa.array(offsets, pa.uint64())
    settings = [
        retention.of_webhook(*webhook) for webhook in zip(by_column[_TENANT_ID], by_column[_WEBHOOK_ID], strict=True)
    ]
    columns |= expiries(settings, received_at)
    if any(setting.bodies == 0 for setting in settings):
        columns |= _without_bodies(by_column[_BODY], settings)
    return Rows("deliveries", pa.table(columns), (offsets,), "present_requests", min(received_at), max(received_at))


def _without_bodies(bodies: Sequence[bytes], settings: Sequence[Setting]) -> dict[str, pa.Array]:
    """Of bodies that are kept for no day only the heads are written; the table makes heads of whole bodies alone."""
    kept = [None if setting.bodies == 0 else body for body, setting in zip(bodies, settings, strict=True)]
    heads = [body[:_HEAD_BYTES] for body in bodies]
    return {"body": pa.array(kept, pa.large_binary()), "body_head": pa.array(heads, pa.large_binary())}
