"""`hookline sql` beside a running stack: it asks the process that has the engine open, which asks who asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from hookline.cli import app
from hookline.ready_file import ReadyFile
from hookline.stack_folder import StackFolder, write_atomically
from infra.clickhouse import ClickHouse
from infra.health import HttpServer
from infra.settings import ClickHouseSettings, ManagementSettings, Settings
from management.operator_sql import PATH, OperatorSql

_TOKEN = "a-token-of-this-test"
_QUESTION = {"sql": "SELECT 1 AS one"}


@dataclass(frozen=True, slots=True)
class _Stack:
    data_dir: Path
    url: str


@pytest.fixture(scope="module")
def stack(
    clickhouse_engine: ClickHouse, stack_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Stack]:
    """The route of a management process, and the files by which the command finds it."""
    data_dir = tmp_path_factory.mktemp("stack")
    folder = StackFolder(data_dir)
    write_atomically(folder.operator_token_file, _TOKEN + "\n")
    settings = Settings(
        clickhouse=ClickHouseSettings(path=stack_folder / "clickhouse"),
        management=ManagementSettings(operator_token_file=folder.operator_token_file),
    )
    application = FastAPI(openapi_url=None)
    application.include_router(OperatorSql(settings, clickhouse_engine).routes())
    server = HttpServer(application, host="127.0.0.1", port=0)
    server.start()
    url = f"http://127.0.0.1:{server.port}"
    ready = {name: "x" for name in ReadyFile.model_fields if name not in ("pid", "pids", "ready_urls")}
    shown = {**ready, "pid": 1, "pids": {}, "ready_urls": {}, "management_url": url, "data_dir": str(data_dir)}
    write_atomically(folder.ready_file, orjson.dumps(shown).decode())
    yield _Stack(data_dir, url)
    server.stop(5)


def _sql(stack: _Stack, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["sql", *arguments, "--data-dir", str(stack.data_dir)])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {_TOKEN}", "X-Forwarded-For": "127.0.0.1"},
        {"Authorization": f"Bearer {_TOKEN}", "Via": "1.1 proxy"},
    ],
)
def test_whoever_may_not_ask_is_told_that_nothing_is_here(stack: _Stack, headers: dict[str, str]) -> None:
    answer = httpx.post(stack.url + PATH, json=_QUESTION, headers=headers, trust_env=False)
    assert answer.status_code == 404


def test_without_a_token_file_nobody_may_ask(clickhouse_engine: ClickHouse, stack_folder: Path) -> None:
    application = FastAPI(openapi_url=None)
    settings = Settings(clickhouse=ClickHouseSettings(path=stack_folder / "clickhouse"))
    application.include_router(OperatorSql(settings, clickhouse_engine).routes())
    server = HttpServer(application, host="127.0.0.1", port=0)
    server.start()
    url = f"http://127.0.0.1:{server.port}{PATH}"
    answer = httpx.post(url, json=_QUESTION, headers={"Authorization": "Bearer x"}, trust_env=False)
    server.stop(5)
    assert answer.status_code == 404


def test_the_command_answers_in_each_format(stack: _Stack) -> None:
    statement = "SELECT number AS n, toString(number) AS t FROM numbers(2)"
    assert _sql(stack, statement, "--format", "csv")[1] == '"n","t"\n0,"0"\n1,"1"\n'
    assert _sql(stack, statement, "--format", "jsonl")[1] == '{"n":0,"t":"0"}\n{"n":1,"t":"1"}\n'
    assert orjson.loads(_sql(stack, statement, "--format", "json")[1]) == [{"n": 0, "t": "0"}, {"n": 1, "t": "1"}]
    assert [line.split() for line in _sql(stack, statement)[1].splitlines()] == [["n", "t"], ["0", "0"], ["1", "1"]]


def test_a_table_is_cut_and_says_so(stack: _Stack) -> None:
    code, shown, said = _sql(stack, "SELECT number FROM numbers(5000)")
    assert code == 0
    assert len(shown.splitlines()) == 1_001
    assert "cut after 1,000 rows" in said


def test_a_wrong_statement_is_one_message_with_its_place(stack: _Stack) -> None:
    code, shown, said = _sql(stack, "SELECT 1,\n  nope")
    assert code == 1
    assert shown == ""
    assert said == "hookline: line 2, column 3: Unknown expression identifier `nope`.\n"


def test_an_answer_that_breaks_off_leaves_no_file(stack: _Stack, tmp_path: Path) -> None:
    output = tmp_path / "rows.csv"
    failing = "SELECT throwIf(number = 1999999, 'late') FROM numbers(2000000)"
    code, _, said = _sql(stack, failing, "--output", str(output))
    assert code == 1
    assert "late" in said
    assert not list(tmp_path.iterdir())
