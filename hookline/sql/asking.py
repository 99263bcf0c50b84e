"""`hookline sql`: one statement, its bounds, and where its rows go."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

from hookline.errors import UsageError
from hookline.sql.sources import SqlSource
from hookline.sql.writers import Batches, Format, write_batches, written_whole
from infra.sql.reader import SqlQuestion

TABLE_ROWS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Answer:
    """`rows` were written; `cut`: there were more."""

    rows: int
    cut: bool


def chosen_format(asked: str | None, output: Path | None) -> Format:
    """The format asked for, else what the file's name says, else a table.

    Raises UsageError for a format there is none of, and for Parquet on a terminal.
    """
    if asked is not None and asked not in set(Format):
        raise UsageError(f"unknown format {asked}: say {', '.join(Format)}")
    named = None if output is None else output.suffix.removeprefix(".").lower()
    kind = Format(asked or (named if named in set(Format) else Format.TABLE))
    if kind is Format.PARQUET and output is None and sys.stdout.isatty():
        raise UsageError("Parquet is no text for a terminal: say --output FILE, or send it on with |")
    return kind


def ask(source: SqlSource, question: SqlQuestion, kind: Format, *, output: Path | None, rows_max: int | None) -> Answer:
    """Write the answer. `rows_max` None: no more than TABLE_ROWS_MAX in a table, all of them elsewhere."""
    bound = TABLE_ROWS_MAX if rows_max is None and kind is Format.TABLE else rows_max
    cut = _Cut(bound)
    with closing(source.read(question)) as batches, _sink(output) as sink:
        rows = write_batches(cut.of(batches), kind, sink)
    return Answer(rows, cut.happened)


class _Cut:
    """Takes `rows_max` rows and notes whether more came; with them the statement is stopped."""

    def __init__(self, rows_max: int | None) -> None:
        self._left = rows_max
        self.happened = False

    def of(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self._left is not None and batch.num_rows > self._left:
                self.happened = True
                yield batch.slice(0, self._left)
                return
            yield batch
            if self._left is not None:
                self._left -= batch.num_rows


@contextmanager
def _sink(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    with written_whole(output) as file:
        yield file
