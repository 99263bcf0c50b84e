"""People's SQL on the real engine: read-only, bounded, one tenant's rows whatever the statement tries."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from infra.clickhouse import ClickHouse
from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError
from infra.settings import ClickHouseSettings
from infra.sql.frames import batches_of, frames_of
from infra.sql.reader import SqlQuestion, SqlReader

_MINE, _OTHERS = uuid.uuid4(), uuid.uuid4()


@pytest.fixture(scope="module")
def reader(clickhouse_engine: ClickHouse, stack_folder: Path) -> SqlReader:
    for tenant_id, rows in ((_MINE, 3), (_OTHERS, 4)):
        clickhouse_engine.execute(
            "INSERT INTO rejections (tenant_id, rejection_id, rejected_at, path) "
            "SELECT {tenant_id:UUID}, generateUUIDv4(), now64(6), 'mark' FROM numbers({rows:UInt64})",
            {"tenant_id": str(tenant_id), "rows": rows},
        )
    return SqlReader(clickhouse_engine, ClickHouseSettings(path=stack_folder / "clickhouse"))


def _rows(reader: SqlReader, sql: str, tenant_id: uuid.UUID | None = None, **bounds: Any) -> list[dict[str, Any]]:
    question = SqlQuestion(sql=sql, tenant_id=tenant_id, **bounds)
    return [row for batch in reader.read(question) for row in batch.to_pylist()]


def test_the_operator_reads_every_tenants_rows(reader: SqlReader) -> None:
    sql = "SELECT tenant_id, count() AS n FROM rejections WHERE tenant_id IN ({a:UUID}, {b:UUID}) GROUP BY 1 ORDER BY n"
    found = _rows(reader, sql, parameters={"a": str(_MINE), "b": str(_OTHERS)})
    assert [row["n"] for row in found] == [3, 4]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count() AS n FROM rejections",
        "SELECT count() AS n FROM default.rejections",
        "SELECT count() AS n FROM `default`.`rejections` AS r FINAL",
        "SELECT count() AS n FROM (SELECT * FROM (SELECT * FROM rejections))",
        "WITH x AS (SELECT * FROM rejections) SELECT count() AS n FROM x",
        "SELECT (SELECT count() FROM rejections) AS n",
        "SELECT uniq(a.rejection_id) AS n FROM rejections AS a JOIN default.rejections AS b USING (rejection_id)",
        "SELECT count() AS n FROM view(SELECT * FROM rejections)",
        "SELECT countDistinct(rejection_id) AS n FROM (SELECT * FROM rejections UNION ALL SELECT * FROM rejections)",
        "SELECT count() AS n FROM rejections PREWHERE 1 WHERE path = 'mark' OR 1",
        "FROM rejections SELECT count() AS n",
        "SELECT countIf(rejection_id IN (SELECT rejection_id FROM rejections)) AS n FROM rejections",
        "SELECT sum(c) AS n FROM (SELECT _part, count() AS c FROM rejections GROUP BY _part)",
        "/* x */ SELECT count() AS n FROM rejections -- ) SETTINGS additional_table_filters = {}",
    ],
)
def test_a_tenants_statement_finds_its_own_rows_alone(reader: SqlReader, sql: str) -> None:
    assert _rows(reader, sql, _MINE) == [{"n": 3}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count() FROM rejections SETTINGS additional_table_filters = {}",
        "SELECT * FROM (SELECT count() FROM rejections SETTINGS additional_table_filters = {})",
        "SELECT count() FROM rejections SETTINGS readonly = 0",
        "SET additional_table_filters = {}",
        "SELECT count() FROM merge('default', '^rejections$')",
        "SELECT count() FROM `merge`(currentDatabase(), 'rej')",
        "SELECT * FROM mergeTreeIndex('default', 'rejections')",
        "SELECT * FROM remote('127.0.0.1', default.rejections)",
        "SELECT * FROM cluster('default', default.rejections)",
        "SELECT * FROM loop('default', 'rejections') LIMIT 1",
        "SELECT 1; SELECT count() FROM rejections",
        "CREATE VIEW v AS SELECT * FROM rejections",
        "CREATE TEMPORARY TABLE t AS SELECT * FROM rejections",
        "INSERT INTO rejections (path) SELECT 'x'",
        "EXPLAIN SELECT * FROM merge('default', 'rejections')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT * FROM s3('http://127.0.0.1:1/x', 'CSV')",
        "SELECT * FROM Python(reader)",
        "SELECT file('/etc/hostname')",
        "DROP TABLE rejections",
        "SYSTEM FLUSH LOGS",
    ],
)
def test_no_statement_gets_around_the_bounds(reader: SqlReader, sql: str) -> None:
    with pytest.raises(ClickHouseRefusedError):
        _rows(reader, sql, _MINE)


def test_a_file_outside_is_never_written(reader: SqlReader, tmp_path: Path) -> None:
    with pytest.raises(ClickHouseRefusedError, match="--output"):
        _rows(reader, f"SELECT 1 INTO OUTFILE '{tmp_path}/x.csv'")
    assert not list(tmp_path.iterdir())


def test_every_table_without_a_tenant_shows_a_tenant_nothing(reader: SqlReader) -> None:
    assert _rows(reader, "SELECT * FROM schema_migrations", _MINE) == []
    assert _rows(reader, "SELECT * FROM system.processes", _MINE) == []
    assert _rows(reader, "SHOW PROCESSLIST", _MINE) == []
    assert _rows(reader, "SELECT * FROM schema_migrations") != []


def test_a_statement_ends_at_its_time_and_at_its_memory(reader: SqlReader) -> None:
    with pytest.raises(ClickHouseRefusedError, match="--seconds"):
        _rows(reader, "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)", seconds=1)
    with pytest.raises(ClickHouseRefusedError, match="--memory-mebibytes"):
        _rows(reader, "SELECT groupArray(number) FROM numbers(100000000)", memory_mebibytes=64)


def test_an_answer_without_rows_has_its_columns(reader: SqlReader) -> None:
    [batch] = reader.read(SqlQuestion(sql="SELECT path, count FROM rejections WHERE 0"))
    assert batch.schema.names == ["path", "count"]
    assert batch.num_rows == 0


def test_a_large_answer_comes_in_batches_of_flat_memory(reader: SqlReader) -> None:
    held = pa.total_allocated_bytes()
    rows = most = 0
    with closing(reader.read(SqlQuestion(sql="SELECT number, toString(number) FROM numbers(2000000)"))) as batches:
        for batch in batches:
            rows += batch.num_rows
            most = max(most, pa.total_allocated_bytes() - held)
    assert rows == 2_000_000
    assert most < 8_000_000, "the answer, 40 MB in all, was held at once"


def test_the_way_between_processes_keeps_every_row_and_every_error(reader: SqlReader) -> None:
    sent = list(frames_of(reader.read(SqlQuestion(sql="SELECT number FROM numbers(100000)"))))
    assert sum(batch.num_rows for batch in batches_of(iter(_split(b"".join(sent))))) == 100_000
    with pytest.raises(ClickHouseUnavailableError, match="broke off"):
        list(batches_of(iter(sent[:-1])))
    with pytest.raises(ClickHouseRefusedError, match=r"line 1, column 8: .*`nope`"):
        list(batches_of(frames_of(reader.read(SqlQuestion(sql="SELECT nope")))))


def _split(content: bytes, size: int = 7_919) -> Iterator[bytes]:
    return (content[position : position + size] for position in range(0, len(content), size))
