"""Raw request records as the request columns of `deliveries`, with what they tell about the sender.

A body is masked here, on its way into the log; its record stays as it came.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from infra.enrichment.locations import Find, Location, nowhere
from infra.enrichment.user_agents import UserAgent, parse_user_agent
from infra.requests.redaction import SUSPICIOUS, compile_redaction
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
    json_text,
    source_columns,
    times,
)

_parse_facts = TypeAdapter(RequestFacts).validate_json
_Row = tuple[object, ...]
_NOWHERE = Location()
#: Columns by name with their types, in the order of `_row`; what goes into `_Beside` stands before them.
_COLUMNS: Mapping[str, pa.DataType | None] = {
    "tenant_id": pa.string(),
    "webhook_id": pa.string(),
    "received_at": None,
    "delivery_id": pa.string(),
    "config_version": pa.uint64(),
    "idempotency_key": pa.binary(),
    "request_method": pa.string(),
    "request_path": pa.string(),
    "request_query": pa.string(),
    "request_headers": pa.string(),
    "content_type": pa.string(),
    "body": pa.large_binary(),
    "body_bytes": pa.uint32(),
    "source_ip": pa.string(),
    "user_agent": pa.string(),
    "invalid_json": pa.bool_(),
    "ingress_us": pa.uint64(),
    "priority": pa.uint8(),
    "is_test": pa.bool_(),
    "replay_id": pa.string(),
    "replayed_from": pa.string(),
    "replay_mode": pa.string(),
    "trace_id": pa.string(),
}
#: Columns of what many rows have in common, in the order of the members.
_USER_AGENT_COLUMNS: Mapping[str, pa.DataType] = {
    "user_agent_browser": pa.string(),
    "user_agent_os": pa.string(),
    "user_agent_device": pa.string(),
}
_LOCATION_COLUMNS: Mapping[str, pa.DataType] = {
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
#: What stays of a body that is never written whole; the table takes as much of every other by itself.
_HEAD_BYTES = 1_024


class _Beside(NamedTuple):
    """Of each row what is not a column yet; lists of equal length."""

    offsets: list[int]
    redact_paths: list[list[str]]
    user_agents: list[UserAgent]
    locations: list[Location]


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
    beside = _Beside([], [], [], [])
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    lists: tuple[list[Any], ...] = (*beside, *columns.values())
    appends = [one.append for one in lists]
    for record in records:
        try:
            row = _row(record, locate)
        except ValueError as error:
            undecodable.add(record, error)
            continue
        for append, value in zip(appends, row, strict=True):
            append(value)
    built = [_deliveries(columns, beside, source, read_retention())] if beside.offsets else []
    kept = undecodable.build()
    return [*built, kept] if kept is not None else built


def _row(record: ConsumedRecord, locate: Find) -> _Row:
    headers = record_headers.decode(record.headers())
    facts = _parse_facts(headers.request)
    check_ids(headers.tenant_id, headers.webhook_id, headers.delivery_id)
    replay = headers.replay
    key = headers.dedupe_key
    body = record.value() or b""
    return (
        record.offset(),
        facts.redact_paths,
        parse_user_agent(facts.user_agent),
        locate(facts.source_ip) or _NOWHERE,
        headers.tenant_id,
        headers.webhook_id,
        check_time("received-at", headers.received_at_us),
        headers.delivery_id,
        check_integer("config version", headers.config_version),
        None if key is None else key.encode("utf-8", "replace"),
        facts.method,
        facts.path,
        json_text(facts.query),
        json_text(facts.headers),
        facts.content_type,
        body,
        len(body),
        facts.source_ip,
        facts.user_agent,
        facts.invalid_json,
        check_integer("ingress_us", facts.ingress_us),
        facts.priority,
        headers.is_test,
        None if replay is None else replay.replay_id,
        None if replay is None else replay.replay_of,
        None if replay is None else replay.mode,
        _trace_id(headers.traceparent),
    )


def _trace_id(traceparent: str | None) -> str | None:
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) >= 4 else None


def _deliveries(by_name: dict[str, list[Any]], beside: _Beside, source: Source, retention: Retention) -> Rows:
    received_at, count = by_name["received_at"], len(beside.offsets)
    columns = _redact(by_name["body"], by_name["content_type"], beside.redact_paths)
    columns |= {
        name: times(by_name[name]) if kind is None else pa.array(by_name[name], kind)
        for name, kind in _COLUMNS.items()
        if name not in columns
    }
    columns |= _common_columns(beside.user_agents, _USER_AGENT_COLUMNS)
    columns |= _common_columns(beside.locations, _LOCATION_COLUMNS)
    columns |= source_columns(
        source, count, topic="raw_topic", incarnation="raw_incarnation", partition="raw_partition"
    )
    columns["raw_offset"] = pa.array(beside.offsets, pa.uint64())
    settings = retention.of_webhooks(by_name["tenant_id"], by_name["webhook_id"])
    columns |= expiries(settings, received_at)
    if any(setting.bodies == 0 for setting in settings):
        columns |= _without_bodies(by_name["body"], settings)
    return Rows(
        "deliveries", pa.table(columns), (beside.offsets,), "present_requests", min(received_at), max(received_at)
    )


def _redact(bodies: list[Any], content_types: list[Any], paths: Sequence[list[str]]) -> dict[str, pa.Array]:
    """Mask bodies in place; the columns of bodies and of which were changed.

    One search through all of them finds those that need a look, usually few: a search of each gives the lock of the
    interpreter away and waits for it, once per row.
    """
    column, redacted = pa.array(bodies, pa.large_binary()), [False] * len(bodies)
    suspected = pc.match_substring_regex(column, SUSPICIOUS, ignore_case=True).to_pylist()
    for index, (suspicious, redact_paths) in enumerate(zip(suspected, paths, strict=True)):
        if suspicious or redact_paths:
            shown = compile_redaction(tuple(redact_paths)).show(bodies[index], content_types[index])
            bodies[index], redacted[index] = shown
    return {
        "body": pa.array(bodies, pa.large_binary()) if any(redacted) else column,
        "body_redacted": pa.array(redacted, pa.bool_()),
    }


def _common_columns(found: Sequence[tuple[object, ...]], kinds: Mapping[str, pa.DataType]) -> dict[str, pa.Array]:
    """A column per member of the tuples `found`, of which many are alike: each is converted once."""
    places = {one: place for place, one in enumerate(dict.fromkeys(found))}
    rows = pa.array([places[one] for one in found], pa.int32())
    members = zip(*places, strict=True)
    return {
        name: pa.array(values, kind).take(rows) for (name, kind), values in zip(kinds.items(), members, strict=True)
    }


def _without_bodies(bodies: Sequence[bytes], settings: Sequence[Setting]) -> dict[str, pa.Array]:
    """Of bodies that are kept for no day only the heads are written; the table makes heads of whole bodies alone."""
    kept = [None if setting.bodies == 0 else body for body, setting in zip(bodies, settings, strict=True)]
    heads = [body[:_HEAD_BYTES] for body in bodies]
    return {"body": pa.array(kept, pa.large_binary()), "body_head": pa.array(heads, pa.large_binary())}
