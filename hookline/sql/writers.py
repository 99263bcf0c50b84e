"""Batches as a table, CSV, JSON or Parquet, one batch in memory at a time; a file is there whole or not at all."""

import io
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from rich.console import Console
from rich.markup import escape

from hookline.console import plain_table
from hookline.errors import WorkFailedError
from hookline.sql.columns import flat_batch, json_value, plain_batch

_CELL_CHARACTERS_MAX = 120
_PLAIN_WIDTH = 160
_JSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_PRIVATE_MODE = 0o600
Batches = Iterator[pa.RecordBatch]


class Format(StrEnum):
    """What an answer is written as; `json` is one array, `jsonl` a line per row."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"


def write_batches(batches: Batches, kind: Format, sink: IO[bytes]) -> int:
    """Write all of them; how many rows there were. The first batch has the columns and may be empty."""
    rows = 0

    def counted() -> Batches:
        nonlocal rows
        for batch in batches:
            rows += batch.num_rows
            yield plain_batch(batch)

    plain = counted()
    first = next(plain)
    _WRITERS[kind](first, plain, sink)
    return rows


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path`, for its owner alone, that takes its place when everything is on the disk.

    Raises WorkFailedError where it cannot be written. Whatever goes wrong, `path` stays as it was.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise WorkFailedError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _write_table(first: pa.RecordBatch, rest: Batches, sink: IO[bytes]) -> None:
    """All rows at once, since their widths are theirs in common: who asks for a table bounds its rows."""
    batches = [first, *rest]
    numeric = [pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in first.schema.types]
    names = [f"#{name}" if number else name for name, number in zip(first.schema.names, numeric, strict=True)]
    rows = [[_cell(value) for value in row] for batch in batches for row in _rows(batch)]
    text = io.TextIOWrapper(sink, "utf-8", write_through=True)
    terminal = sink.isatty()
    Console(file=text, highlight=False, soft_wrap=True, width=None if terminal else _PLAIN_WIDTH).print(
        plain_table([escape(name) for name in names], rows)
    )
    text.detach()


def _write_csv(first: pa.RecordBatch, rest: Batches, sink: IO[bytes]) -> None:
    flat = flat_batch(first)
    with pyarrow.csv.CSVWriter(sink, flat.schema) as writer:
        writer.write_batch(flat)
        for batch in rest:
            writer.write_batch(flat_batch(batch))


def _write_json(first: pa.RecordBatch, rest: Batches, sink: IO[bytes]) -> None:
    sink.write(b"[")
    separator = b"\n"
    for line in _json_rows(first, rest):
        sink.write(separator + line)
        separator = b",\n"
    sink.write(b"\n]\n")


def _write_jsonl(first: pa.RecordBatch, rest: Batches, sink: IO[bytes]) -> None:
    for line in _json_rows(first, rest):
        sink.write(line + b"\n")


def _write_parquet(first: pa.RecordBatch, rest: Batches, sink: IO[bytes]) -> None:
    with pyarrow.parquet.ParquetWriter(sink, first.schema, compression="zstd") as writer:
        writer.write_batch(first)
        for batch in rest:
            writer.write_batch(batch)


def _json_rows(first: pa.RecordBatch, rest: Batches) -> Iterator[bytes]:
    for batch in chain([first], rest):
        names = batch.schema.names
        for row in _rows(batch):
            yield orjson.dumps(dict(zip(names, row, strict=True)), default=json_value, option=_JSON_OPTIONS)


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist(maps_as_pydicts="lossy") for column in batch.columns), strict=True)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | dict):
        value = orjson.dumps(value, default=json_value, option=_JSON_OPTIONS).decode()
    text = json_value(value).replace("\n", "⏎")
    return escape(text if len(text) <= _CELL_CHARACTERS_MAX else text[: _CELL_CHARACTERS_MAX - 1] + "…")


_WRITERS: Mapping[Format, Callable[[pa.RecordBatch, Batches, IO[bytes]], None]] = {
    Format.TABLE: _write_table,
    Format.CSV: _write_csv,
    Format.JSON: _write_json,
    Format.JSONL: _write_jsonl,
    Format.PARQUET: _write_parquet,
}
