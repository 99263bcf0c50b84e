"""Inserts a batch so that its rows are in ClickHouse once, however often it is tried."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from infra.clickhouse import ClickHouse
from infra.errors import ClickHouseRefusedError
from infra.queries import load_queries
from sinks.clickhouse.core.rollups import marks_of
from sinks.clickhouse.core.rows import Rows, Source

_QUERIES = Path(__file__).parent / "queries.sql"
_COMPLETIONS_MAX = 5


class BatchWriter:
    """Writes the rows of planned ranges. Safe to share between threads."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._queries = load_queries(_QUERIES)

    def write(self, built: Sequence[Rows], source: Source, first_offset: int, last_offset: int) -> None:
        """Insert all rows of a range. The same range has the same token, so a second insert does nothing.

        Raises as `ClickHouse` does; the range may then be partly written and is to be written again.
        """
        token = f"{source.incarnation}:{source.topic}:{source.partition}:{first_offset}:{last_offset}"
        for rows in built:
            self._clickhouse.insert(rows.table, rows.columns, deduplication_token=token)
            self._mark(rows)

    def complete(self, built: Sequence[Rows], source: Source, first_offset: int, last_offset: int) -> int:
        """After `write` of a range that an earlier process may have begun: insert what is still missing; how many rows.

        ClickHouse notes a token before the part it stands for becomes visible. A process killed between the two
        leaves a token without rows, and repeating the insert does nothing for ever.
        """
        token = f"{source.incarnation}:{source.topic}:{source.partition}:{first_offset}:{last_offset}"
        inserted = 0
        for rows in built:
            for completion in range(_COMPLETIONS_MAX + 1):
                missing = self._missing(rows, source, first_offset, last_offset)
                if not missing:
                    break
                if completion == _COMPLETIONS_MAX:
                    raise ClickHouseRefusedError(f"{len(missing)} rows of {token} do not appear in {rows.table}")
                columns = rows.columns.take(pa.array(missing, pa.int64()))
                completing = f"{token}:completed:{completion}"
                self._clickhouse.insert(rows.table, columns, deduplication_token=completing)
                self._mark(rows)
                inserted += len(missing)
        return inserted

    def _mark(self, rows: Rows) -> None:
        """Have the rollups count the minutes of rows that are visible now; before that a mark would mean nothing.

        Without a token: who repeats an insert cannot know whether its minutes were marked after it.
        """
        if rows.table == "deliveries":
            self._clickhouse.insert("rollup_marks", marks_of(rows.columns))

    def _missing(self, rows: Rows, source: Source, first_offset: int, last_offset: int) -> list[int]:
        parameters = {
            "topic": source.topic,
            "incarnation": source.incarnation,
            "partition": source.partition,
            "first_offset": first_offset,
            "last_offset": last_offset,
            "from_us": rows.from_us,
            "until_us": rows.until_us,
        }
        found = self._clickhouse.query(self._queries[rows.presence_query], parameters)
        present = {row["offset"] for row in found}
        return [index for index, offsets in enumerate(zip(*rows.offsets, strict=True)) if present.isdisjoint(offsets)]
