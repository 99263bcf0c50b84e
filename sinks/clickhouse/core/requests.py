"""Raw request records as the request columns of `deliveries`."""

from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
from pydantic import TypeAdapter

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
    source_columns,
    texts,
    times,
)

_parse_facts = TypeAdapter(RequestFacts).validate_json
_Row = tuple[object, ...]
_OFFSET, _RECEIVED_AT, _COLUMN_COUNT = 0, 3, 22


def build_requests(records: Sequence[ConsumedRecord], source: Source) -> list[Rows]:
    """Rows of `deliveries`, and of `undecodable_records` for what cannot be read."""
    undecodable = Undecodable(source)
    # Columns from the start: rows kept as tuples would be one more thing per row for the garbage collector to walk.
    columns: list[list[Any]] = [[] for _ in range(_COLUMN_COUNT)]
    appends = [column.append for column in columns]
    for record in records:
        try:
            row = _row(record)
        except ValueError as error:
            undecodable.add(record, error)
            continue
        for append, value in zip(appends, row, strict=True):
            append(value)
    built = [_deliveries(columns, source)] if columns[_OFFSET] else []
    kept = undecodable.build()
    return [*built, kept] if kept is not None else built


def _row(record: ConsumedRecord) -> _Row:
    headers = record_headers.decode(record.headers())
    facts = _parse_facts(headers.request)
    check_ids(headers.tenant_id, headers.webhook_id, headers.delivery_id)
    replay = headers.replay
    key = headers.dedupe_key
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
        record.value() or b"",
        facts.source_ip,
        facts.user_agent,
        facts.invalid_json,
        check_integer("ingress_us", facts.ingress_us),
        headers.is_test,
        None if replay is None else replay.replay_id,
        None if replay is None else replay.replay_of,
        None if replay is None else replay.mode,
        _trace_id(headers.traceparent),
    )


def _trace_id(traceparent: str | None) -> str | None:
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) >= 4 else None


def _deliveries(by_column: Sequence[list[Any]], source: Source) -> Rows:
    received_at = by_column[_RECEIVED_AT]
    columns = {
        "tenant_id": texts(by_column[1]),
        "webhook_id": texts(by_column[2]),
        "received_at": times(received_at),
        "delivery_id": texts(by_column[4]),
        "config_version": pa.array(by_column[5], pa.uint64()),
        "idempotency_key": pa.array(by_column[6], pa.binary()),
        "request_method": texts(by_column[7]),
        "request_path": texts(by_column[8]),
        "request_query": pa.array(by_column[9], pa.binary()),
        "request_headers": pa.array(by_column[10], pa.binary()),
        "content_type": texts(by_column[11]),
        "body": pa.array(by_column[12], pa.large_binary()),
        "source_ip": texts(by_column[13]),
        "user_agent": texts(by_column[14]),
        "invalid_json": pa.array(by_column[15], pa.bool_()),
        "ingress_us": pa.array(by_column[16], pa.uint64()),
        "is_test": pa.array(by_column[17], pa.bool_()),
        "replay_id": texts(by_column[18]),
        "replayed_from": texts(by_column[19]),
        "replay_mode": texts(by_column[20]),
        "trace_id": texts(by_column[21]),
        **source_columns(
            source, len(received_at), topic="raw_topic", incarnation="raw_incarnation", partition="raw_partition"
        ),
        "raw_offset": pa.array(by_column[_OFFSET], pa.uint64()),
    }
    offsets = (by_column[_OFFSET],)
    return Rows("deliveries", pa.table(columns), offsets, "present_requests", min(received_at), max(received_at))
