"""The repository's own checks find what they are there to find."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import check_left_running, check_lock, check_migrations, check_sizes

SUM = "0" * 64
SOUND = f"package==1.0 \\\n    --hash=sha256:{SUM}\n    # via other\n"


def test_a_sound_lock_file_has_no_problem() -> None:
    assert list(check_lock.problems_of("r.txt", SOUND)) == []
    assert check_lock.pins(SOUND + SOUND.replace("package", "Other_Name[extra]")) == {
        "package": "1.0",
        "other-name": "1.0",
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"--index-url https://registry.example\n{SOUND}", "address"),
        (f"--find-links /opt/wheels\n{SOUND}", "address"),
        (f"package @ https://files.example/p.whl --hash=sha256:{SUM}\n", "address"),
        ("package==1.0\n", "no sha256"),
        (f"package==1.0 --hash=md5:{SUM}\n", "no sha256"),
        (f"package==1.0 --hash=sha256:{SUM[:-1]}\n", "no sha256"),
        (f"package>=1.0 --hash=sha256:{SUM}\n", "not pinned"),
        ("# nothing\n", "no requirement"),
    ],
)
def test_an_unsound_lock_file_is_found(text: str, problem: str) -> None:
    assert any(problem in found for found in check_lock.problems_of("r.txt", text))


def test_a_direct_requirement_that_was_not_locked_is_found() -> None:
    found = list(check_lock.missing_from("r.txt", {"package": "1.0"}, "r.in", "-r base.in\npackage\nother>=2 # why\n"))
    assert found == ["r.txt: other of r.in is missing: run `make lock`"]


def test_what_is_too_long_is_found_and_what_fits_is_not() -> None:
    body = "\n".join("    pass" for _ in range(check_sizes.FUNCTION_LINES_MAX - 1))
    assert list(check_sizes.problems_of(Path("a.py"), f"def fits() -> None:\n{body}\n")) == []
    (long_function,) = check_sizes.problems_of(Path("a.py"), f"class A:\n  async def big(self):\n{body}\n    pass\n")
    assert long_function.startswith("a.py:2: big has 71 lines")
    (long_file,) = check_sizes.problems_of(Path("a.py"), "pass\n" * (check_sizes.FILE_LINES_MAX + 1))
    assert "401 lines" in long_file


def test_the_sizes_of_tests_and_tools_are_checked_too_and_the_environments_are_not() -> None:
    files = {path.relative_to(check_sizes.ROOT).parts[0] for path in check_sizes.source_files()}
    assert {"tests", "tools", "infra", "ingress"} <= files
    assert ".venv" not in files


@pytest.mark.parametrize(
    "names", [["0002_create_a.sql"], ["0001_create_a.sql", "0001_create_b.sql"], ["0001_a.sql"], ["1_create_a.sql"]]
)
def test_a_gap_a_repeat_or_a_name_without_a_verb_is_found(names: list[str]) -> None:
    assert list(check_migrations.numbering_problems("postgres", names))


def test_a_table_without_tenant_or_security_is_found() -> None:
    found = list(check_migrations.postgres_problems("0001.sql", "CREATE TABLE things (\n    id uuid PRIMARY KEY\n);"))
    assert len(found) == 2
    assert "things does not start with tenant_id" in found[0]
    sound = "CREATE TABLE things (\n    PRIMARY KEY (tenant_id, id)\n);\nSELECT hookline_secure_table('things');"
    assert list(check_migrations.postgres_problems("0001.sql", sound)) == []


def test_a_clickhouse_table_that_would_take_a_repeat_twice_is_found() -> None:
    table = "CREATE TABLE things\n(\n    id UUID\n)\nENGINE = MergeTree\nORDER BY id"
    assert list(check_migrations.clickhouse_problems("0001.sql", table + ";"))
    assert (
        list(
            check_migrations.clickhouse_problems(
                "0001.sql", table + "\nSETTINGS non_replicated_deduplication_window = 1;"
            )
        )
        == []
    )


def test_a_process_left_running_is_found_by_its_mark_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_left_running, "GRACE_SECONDS", 0.0)
    mark = f"HOOKLINE_TEST_MARK=left-{os.getpid()}"
    name, _, value = mark.partition("=")
    command = [sys.executable, "-c", "print(flush=True); input()"]
    environment = os.environ | {name: value}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert check_left_running.main(mark) == 1
        assert process.wait(10) == -9
    assert check_left_running.main(mark) == 0
