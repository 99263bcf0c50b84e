"""Arrow columns as people's programs read them: UUIDs and addresses as text, text that is text, nested values as JSON.

Pure: batches in, batches out.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
import pyarrow as pa

_UUID_TYPE = "extension<arrow.uuid>"


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows with UUIDs as text and every text in valid UTF-8 (bytes that are none become U+FFFD)."""
    columns = [_plain_column(column) for column in batch.columns]
    fields = [pa.field(field.name, column.type) for field, column in zip(batch.schema, columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def flat_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """For CSV: what is neither number, time nor text becomes JSON text."""
    columns = [
        _mapped(column, lambda value: orjson.dumps(value, default=json_value, option=orjson.OPT_NON_STR_KEYS).decode())
        if pa.types.is_nested(column.type)
        else _mapped(column, json_value)
        if pa.types.is_binary(column.type) or pa.types.is_fixed_size_binary(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def json_value(value: Any) -> Any:
    """What JSON has no form for, as text; `orjson` asks this of everything it does not know."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _plain_column(column: pa.Array) -> pa.Array:
    if str(column.type) == _UUID_TYPE:
        return _mapped(column.storage, lambda value: str(UUID(bytes=value)))
    if pa.types.is_string(column.type):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            return _mapped(column.view(pa.binary()), lambda value: value.decode("utf-8", "replace"))
    return column


def _mapped(column: pa.Array, change: Callable[[Any], str]) -> pa.Array:
    values = column.to_pylist(maps_as_pydicts="lossy")
    return pa.array([None if value is None else change(value) for value in values], pa.string())
