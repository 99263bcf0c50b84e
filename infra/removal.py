"""When the bytes that an UPDATE of `deliveries` replaced are gone from the disk.

An UPDATE writes new parts; the engine keeps the old ones for `old_parts_lifetime` (8 minutes). A part's version says
up to which UPDATE it was rewritten: once no part is older than the UPDATE, nothing has what was there before.
"""

from pathlib import Path

from infra.clickhouse import ClickHouse
from infra.queries import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


def version_of_update(clickhouse: ClickHouse, marker: str) -> int:
    """The version of the newest UPDATE whose text has `marker`. Raises as `ClickHouse` does."""
    [row] = clickhouse.query(_QUERIES["newest_update"], {"marker": marker})
    return int(row["version"])


def is_removed(clickhouse: ClickHouse, version: int) -> bool:
    """Whether no file has any more what the UPDATE of this version replaced. Raises as `ClickHouse` does."""
    [left] = clickhouse.query(_QUERIES["what_is_left"], {"version": version})
    return not left["updates"] and not left["parts"]
