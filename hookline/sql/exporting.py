"""`hookline export`: deliveries or rejections of a time as files, whole or not at all, with their rows counted."""

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO
from uuid import UUID

from hookline.errors import UsageError, WorkFailedError
from hookline.sql.sources import SqlSource
from hookline.sql.writers import Format, write_batches, written_whole
from infra.queries import load_queries
from infra.sql.reader import SECONDS_MAX, SqlQuestion

TABLES = ("deliveries", "rejections")
FORMATS = (Format.PARQUET, Format.CSV, Format.JSONL)
_AGO = re.compile(r"(\d{1,6})\s*([mhdw])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUERIES = load_queries(Path(__file__).parent / "queries.sql")


@dataclass(frozen=True, slots=True)
class Export:
    """What is asked for: rows received (or rejected) since ≤ t < until, in UTC."""

    table: str
    kind: Format
    since: datetime
    until: datetime
    tenant_id: UUID | None
    webhook: str
    output: Path
    by_day: bool


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, in all files."""

    rows: int
    bytes: int
    files: int


def read_moment(text: str, now: datetime) -> datetime:
    """`2026-10-01`, `2026-10-01T12:00:00Z`, or how long ago: `90m`, `24h`, `7d`, `4w`. UTC where no zone is given."""
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time: write 2026-10-01, 2026-10-01T12:00:00Z, 24h or 7d") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def export_of(
    *,
    table: str,
    kind: str | None,
    times: tuple[str, str | None],
    tenant_id: UUID | None,
    webhook: str,
    output: Path,
    by: str | None,
) -> Export:
    """What the command line asked for. `times`: since and until (None: now). Raises UsageError naming the option."""
    named = output.suffix.removeprefix(".").lower()
    chosen = kind or (named if named in FORMATS else Format.PARQUET)
    if table not in TABLES:
        raise UsageError(f"--table is {' or '.join(TABLES)}, not {table}")
    if chosen not in FORMATS:
        raise UsageError(f"--format is {', '.join(FORMATS)}, not {chosen}")
    if by not in (None, "day"):
        raise UsageError(f"--by is day, not {by}")
    now = datetime.now(UTC)
    since, until = read_moment(times[0], now), now if times[1] is None else read_moment(times[1], now)
    if since >= until:
        raise UsageError("--since must be before --until")
    return Export(table, Format(chosen), since, until, tenant_id, webhook, output, by == "day")


def export(source: SqlSource, wanted: Export) -> Exported:
    """Write the file, or the folder of one file per day. Raises UsageError, WorkFailedError, and as `source` does."""
    return _export_days(source, wanted) if wanted.by_day else _export_file(source, wanted)


def _export_file(source: SqlSource, wanted: Export) -> Exported:
    with written_whole(wanted.output) as file:
        rows = _write_counted(source, wanted, _count(source, wanted), file)
    return Exported(rows, wanted.output.stat().st_size, 1)


def _export_days(source: SqlSource, wanted: Export) -> Exported:
    """Each day's file is there whole; the folder takes its name when all are. A day without rows has no file."""
    if wanted.output.exists() and (not wanted.output.is_dir() or any(wanted.output.iterdir())):
        raise UsageError(f"{wanted.output} is there already: name another folder")
    partial = wanted.output.with_name(f".{wanted.output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    rows = size = files = 0
    try:
        for since, until in days(wanted.since, wanted.until):
            of_day = replace(wanted, since=since, until=until)
            counted = _count(source, of_day)
            if not counted:
                continue
            path = partial / f"day={since:%Y-%m-%d}" / f"{wanted.table}.{wanted.kind}"
            path.parent.mkdir(parents=True)
            with written_whole(path) as file:
                rows += _write_counted(source, of_day, counted, file)
            size += path.stat().st_size
            files += 1
        partial.mkdir(exist_ok=True)
        partial.replace(wanted.output)
    except OSError as error:
        raise WorkFailedError(f"{wanted.output} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(rows, size, files)


def days(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The days of UTC that a time touches, cut at its ends."""
    begin = since
    while begin < until:
        end = min(until, begin.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY)
        yield begin, end
        begin = end


def _write_counted(source: SqlSource, wanted: Export, before: int, file: IO[bytes]) -> int:
    """The log may grow meanwhile (a late record), so its count before and after bounds what must have been written."""
    with closing(source.read(_question(wanted, f"export_{wanted.table}"))) as batches:
        rows = write_batches(batches, wanted.kind, file)
    if rows != before:
        after = _count(source, wanted)
        if not min(before, after) <= rows <= max(before, after):
            raise WorkFailedError(f"{rows:,} rows were written, but there are {after:,}: nothing was kept")
    return rows


def _count(source: SqlSource, wanted: Export) -> int:
    with closing(source.read(_question(wanted, f"count_{wanted.table}"))) as batches:
        return sum(int(value) for batch in batches for value in batch.column("rows").to_pylist())


def _question(wanted: Export, query: str) -> SqlQuestion:
    parameters = {"since_us": str(_us(wanted.since)), "until_us": str(_us(wanted.until)), "webhook": wanted.webhook}
    return SqlQuestion(sql=_QUERIES[query], tenant_id=wanted.tenant_id, parameters=parameters, seconds=SECONDS_MAX)


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
