"""What the builders of rows share: the records they read, the checks, the columns, and what cannot be read."""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
import pyarrow as pa

from infra.retention.days import NO_SETTING, Setting, expires_at
from schemas.encoding import record_bytes

US_FIRST = 946_684_800_000_000
US_LAST = 4_102_444_800_000_000
_INTEGER_LAST = 2**63 - 1
_ERROR_CHARACTERS_MAX = 1_000
_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_THREE_UUIDS = re.compile(f"{_UUID}/{_UUID}/{_UUID}")

TIMESTAMP = pa.timestamp("us", "UTC")


class UndecodableRecordError(ValueError):
    """A record that does not keep its topic's contract; the message says where."""


class ConsumedRecord(Protocol):
    """What the builders read of a consumed Kafka message."""

    def offset(self) -> int | None: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Source:
    """The partition that all records of a batch come from."""

    topic: str
    incarnation: str
    partition: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table, with what shows later whether they were written.

    `offsets` are columns beside the rows: any of row i's offsets, found by `presence_query`, shows that it was written.
    `from_us` and `until_us` bound the rows' own times.
    """

    table: str
    columns: pa.Table
    offsets: tuple[Sequence[object], ...]
    presence_query: str
    from_us: int
    until_us: int


@dataclass(slots=True)
class Undecodable:
    """Collects the records that could not be read."""

    source: Source
    rows: list[tuple[int, str, bytes, bytes, bytes]] = field(default_factory=list)

    def add(self, record: ConsumedRecord, error: ValueError) -> None:
        """Keep the record's bytes with what is wrong with it."""
        text = str(error)[:_ERROR_CHARACTERS_MAX].encode("utf-8", "replace").decode()
        encoded = [
            [name, None if value is None else base64.b64encode(value).decode()]
            for name, value in record.headers() or ()
        ]
        self.rows.append(
            (record.offset() or 0, text, record.key() or b"", orjson.dumps(encoded), record.value() or b"")
        )

    def build(self) -> Rows | None:
        """Rows of `undecodable_records`, None when every record could be read."""
        if not self.rows:
            return None
        offsets, errors, keys, headers, values = zip(*self.rows, strict=True)
        columns = {
            **source_columns(
                self.source, len(offsets), topic="topic", incarnation="incarnation", partition="partition"
            ),
            "offset": pa.array(offsets, pa.uint64()),
            "error": pa.array(errors, pa.string()),
            "key": pa.array(keys, pa.binary()),
            "headers": pa.array(headers, pa.binary()),
            "value": pa.array(values, pa.large_binary()),
        }
        return Rows("undecodable_records", pa.table(columns), (offsets,), "present_undecodable", US_FIRST, US_LAST)


def expiries(settings: Sequence[Setting], received_at: Sequence[int]) -> dict[str, pa.Array]:
    """When the body and the row of each delivery expire; null where the table's default holds.

    Requests and outcomes both say so: the halves of a delivery that were not merged yet go together.
    """
    if all(setting is NO_SETTING for setting in settings):
        default = pa.nulls(len(received_at), pa.uint32())
        return {"body_expires_at": default, "row_expires_at": default}
    pairs = list(zip(received_at, settings, strict=True))
    return {
        "body_expires_at": pa.array([expires_at(at_us, setting.bodies) for at_us, setting in pairs], pa.uint32()),
        "row_expires_at": pa.array([expires_at(at_us, setting.rows) for at_us, setting in pairs], pa.uint32()),
    }


def source_columns(source: Source, count: int, **names: str) -> dict[str, pa.Array]:
    """Constant columns that say where rows come from; `names` maps topic, incarnation, partition to column names."""
    values = {
        "topic": pa.scalar(source.topic),
        "incarnation": pa.scalar(source.incarnation),
        "partition": pa.scalar(source.partition, pa.uint32()),
    }
    return {column: pa.repeat(values[member], count) for member, column in names.items()}


def times(values: Sequence[int | None]) -> pa.Array:
    """Microseconds since the epoch as a column of times."""
    return pa.array(values, pa.int64()).cast(TIMESTAMP)


def texts(values: Iterable[str | bytes | None]) -> pa.Array:
    """A column of text."""
    return pa.array(values, pa.string())


def json_text(value: object) -> str:
    """`value` as JSON.

    Decoded, as whoever keeps what orjson gives keeps a kilobyte of room for each: a row took 2 µs of paging in memory.
    """
    return record_bytes(value).decode()


def check_ids(tenant_id: str, webhook_id: str, own_id: str) -> None:
    """Raises unless all three are UUIDs; ClickHouse would refuse the whole batch otherwise."""
    if _THREE_UUIDS.fullmatch(f"{tenant_id}/{webhook_id}/{own_id}") is None:
        raise UndecodableRecordError("tenant, webhook or own id is not a UUID")


def check_time(name: str, at_us: int) -> int:
    """`at_us`, when it lies between the years 2000 and 2100: a stray time would make a partition of its own."""
    if not US_FIRST <= at_us < US_LAST:
        raise UndecodableRecordError(f"{name} is not a time between 2000 and 2100")
    return at_us


def check_integer(name: str, value: int, last: int = _INTEGER_LAST) -> int:
    """`value`, when it fits its column."""
    if not 0 <= value <= last:
        raise UndecodableRecordError(f"{name} is out of range")
    return value
