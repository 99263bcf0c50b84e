"""Rejection records as rows of `rejections`."""

from collections.abc import Sequence

import orjson
import pyarrow as pa
from pydantic import TypeAdapter

from infra.retention.days import NIL as _NIL
from infra.retention.days import ReadRetention, Retention, expires_at, no_retention
from schemas.records import RejectionRecord
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

_parse = TypeAdapter(RejectionRecord).validate_json
_COUNT_LAST = 2**32 - 1


def build_rejections(
    records: Sequence[ConsumedRecord], source: Source, *, read_retention: ReadRetention = no_retention
) -> list[Rows]:
    """Rows of `rejections`, and of `undecodable_records` for what cannot be read."""
    undecodable = Undecodable(source)
    parsed: list[tuple[int, RejectionRecord]] = []
    for record in records:
        try:
            parsed.append((record.offset() or 0, _checked(record)))
        except ValueError as error:
            undecodable.add(record, error)
    built = [_rejections(parsed, source, read_retention())] if parsed else []
    kept = undecodable.build()
    return [*built, kept] if kept is not None else built


def _checked(record: ConsumedRecord) -> RejectionRecord:
    parsed = _parse(record.value() or b"")
    check_ids(parsed.tenant_id or _NIL, parsed.webhook_id or _NIL, parsed.rejection_id)
    check_time("rejected_at", parsed.rejected_at)
    check_integer("count", parsed.count, _COUNT_LAST)
    return parsed


def _rejections(parsed: Sequence[tuple[int, RejectionRecord]], source: Source, retention: Retention) -> Rows:
    rejected_at = [rejection.rejected_at for _, rejection in parsed]
    columns = {
        "tenant_id": texts([rejection.tenant_id or _NIL for _, rejection in parsed]),
        "rejected_at": times(rejected_at),
        "rejection_id": texts([rejection.rejection_id for _, rejection in parsed]),
        "webhook_id": texts([rejection.webhook_id or _NIL for _, rejection in parsed]),
        "method": texts([rejection.method for _, rejection in parsed]),
        "path": texts([rejection.path for _, rejection in parsed]),
        "headers": pa.array([orjson.dumps(rejection.headers) for _, rejection in parsed], pa.binary()),
        "source_ip": texts([rejection.source_ip for _, rejection in parsed]),
        "user_agent": texts([rejection.user_agent for _, rejection in parsed]),
        "reason": texts([rejection.reason for _, rejection in parsed]),
        "count": pa.array([rejection.count for _, rejection in parsed], pa.uint32()),
        **source_columns(source, len(parsed), incarnation="raw_incarnation", partition="raw_partition"),
        "raw_offset": pa.array([offset for offset, _ in parsed], pa.uint64()),
        "expires_at": pa.array(
            [
                expires_at(rejection.rejected_at, retention.of_tenant(rejection.tenant_id or _NIL).rejections)
                for _, rejection in parsed
            ],
            pa.uint32(),
        ),
    }
    offsets = ([offset for offset, _ in parsed],)
    return Rows("rejections", pa.table(columns), offsets, "present_rejections", min(rejected_at), max(rejected_at))
