"""`hookline export` on the real engine: what is in the files is what is in the log."""

import uuid
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from hookline.errors import UsageError, WorkFailedError
from hookline.sql.exporting import Export, export, export_of, read_moment
from hookline.sql.writers import Format
from infra.clickhouse import ClickHouse
from infra.settings import ClickHouseSettings
from infra.sql.reader import SqlQuestion, SqlReader

_TENANT = uuid.uuid4()
_BEGIN = datetime(2031, 5, 1, tzinfo=UTC)
_ROWS = 3_000
_NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def reader(clickhouse_engine: ClickHouse, stack_folder: Path) -> SqlReader:
    """A delivery a minute, each inserted twice as a redelivery would; every third has bytes that are no text."""
    for _ in range(2):
        clickhouse_engine.execute(
            "INSERT INTO deliveries (tenant_id, webhook_id, delivery_id, received_at, request_path, body, raw_topic, "
            "raw_offset, processed_status, processed_at) SELECT {tenant:UUID}, {tenant:UUID}, "
            "reinterpretAsUUID(number), {begin:DateTime64(6, 'UTC')} + toIntervalMinute(number), "
            "if(number % 2, '/api/inbound/acme/odd', '/api/inbound/acme/even'), "
            "if(number % 3, toString(number), unhex('ff00')), 'raw', number, 'dispatched', now64(6) "
            "FROM numbers({rows:UInt64})",
            {"tenant": str(_TENANT), "begin": _BEGIN, "rows": _ROWS},
        )
    return SqlReader(clickhouse_engine, ClickHouseSettings(path=stack_folder / "clickhouse"))


def _wanted(output: Path, kind: Format = Format.PARQUET) -> Export:
    until = _BEGIN + timedelta(days=4)
    return Export("deliveries", kind, _BEGIN, until, _TENANT, "", output, by_day=False)


def _truth(clickhouse: ClickHouse) -> list[dict[str, Any]]:
    return clickhouse.query(
        "SELECT toString(delivery_id) AS delivery_id, received_at, raw_offset, dispatch_status FROM deliveries FINAL "
        "WHERE tenant_id = {tenant:UUID} ORDER BY raw_offset",
        {"tenant": str(_TENANT)},
    )


def test_a_parquet_file_holds_the_log_row_by_row(
    reader: SqlReader, clickhouse_engine: ClickHouse, tmp_path: Path
) -> None:
    done = export(reader, _wanted(tmp_path / "d.parquet"))
    table = pyarrow.parquet.read_table(tmp_path / "d.parquet").sort_by("raw_offset")
    found = table.select(["delivery_id", "received_at", "raw_offset", "dispatch_status"]).to_pylist()
    assert [{**row, "received_at": row["received_at"].replace(tzinfo=None)} for row in found] == _truth(
        clickhouse_engine
    )
    assert (done.rows, done.files, done.bytes) == (_ROWS, 1, (tmp_path / "d.parquet").stat().st_size)
    bodies = table.select(["body", "body_encoding"]).to_pylist()[:2]
    assert bodies == [{"body": "/wA=", "body_encoding": "base64"}, {"body": "1", "body_encoding": "text"}]
    assert table.schema.field("received_at").type == pa.timestamp("us", "UTC")


def test_each_format_has_the_same_rows(reader: SqlReader, tmp_path: Path) -> None:
    export(reader, _wanted(tmp_path / "d.csv", Format.CSV))
    export(reader, _wanted(tmp_path / "d.jsonl", Format.JSONL))
    of_csv = pyarrow.csv.read_csv(tmp_path / "d.csv").column("delivery_id").to_pylist()
    of_json = [orjson.loads(line)["delivery_id"] for line in (tmp_path / "d.jsonl").read_bytes().splitlines()]
    assert len(of_csv) == _ROWS
    assert sorted(of_csv) == sorted(of_json)


def test_a_folder_has_a_file_for_each_day_with_rows(reader: SqlReader, tmp_path: Path) -> None:
    folder = tmp_path / "may"
    done = export(reader, replace(_wanted(folder), by_day=True))
    assert [path.parent.name for path in sorted(folder.rglob("*.parquet"))] == [
        "day=2031-05-01",
        "day=2031-05-02",
        "day=2031-05-03",
    ]
    assert (done.rows, done.files) == (_ROWS, 3)
    assert pyarrow.parquet.read_table(folder).num_rows == _ROWS
    with pytest.raises(UsageError, match="is there already"):
        export(reader, replace(_wanted(folder), by_day=True))


def test_a_webhook_is_chosen_by_its_slug(reader: SqlReader, tmp_path: Path) -> None:
    assert export(reader, replace(_wanted(tmp_path / "odd.parquet"), webhook="odd")).rows == _ROWS // 2


class _Losing:
    """A source that gives one row less than there are."""

    def __init__(self, reader: SqlReader) -> None:
        self._reader = reader

    def read(self, question: SqlQuestion) -> Generator[pa.RecordBatch]:
        for batch in self._reader.read(question):
            yield batch if batch.schema.names == ["rows"] else batch.slice(1)


@pytest.mark.parametrize("by_day", [False, True])
def test_an_export_that_lost_a_row_keeps_nothing(reader: SqlReader, tmp_path: Path, by_day: bool) -> None:
    with pytest.raises(WorkFailedError, match="rows were written, but there are"):
        export(_Losing(reader), replace(_wanted(tmp_path / "lost"), by_day=by_day))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("24h", _NOW - timedelta(hours=24)),
        ("7d", _NOW - timedelta(days=7)),
        ("2026-10-01", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01T12:00:00+02:00", datetime(2026, 10, 1, 10, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_date_or_how_long_ago(text: str, moment: datetime) -> None:
    assert read_moment(text, _NOW) == moment


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"table": "users"}, "--table"),
        ({"kind": "xml"}, "--format"),
        ({"by": "hour"}, "--by"),
        ({"times": ("yesterday", None)}, "is no time"),
        ({"times": ("1d", "2d")}, "--since must be before"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"table": "deliveries", "kind": None, "times": ("1d", None), "tenant_id": None}
    with pytest.raises(UsageError, match=words):
        export_of(**{**given, "webhook": "", "output": tmp_path / "x.parquet", "by": None, **options})
