"""The demonstration, from an empty folder to its last line, as a newcomer runs it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.ready_file import read_ready_file
from tests.support.processes import await_gone, mentioning
from tests.support.running_stack import new_stack_folder

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    found = new_stack_folder()
    yield found
    shutil.rmtree(found.parent, ignore_errors=True)


def run_demo(*options: str) -> str:
    command = [sys.executable, "-m", "hookline", "demo", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def lines_of(output: str) -> dict[str, list[str]]:
    """Words of each line by its first two."""
    return {" ".join(line.split()[:2]): line.split() for line in output.splitlines() if line.split()}


def test_the_counts_balance_and_nothing_is_left_running(folder: Path) -> None:
    output = run_demo("--data-dir", str(folder))
    lines = lines_of(output)
    assert lines["new alerts"] == ["new", "alerts", "880", "200", "880", "dispatched", "880", "880", "✓"]
    assert lines["repeats 100"] == ["repeats", "100", "200", "100", "duplicate", "100", "none", "✓"]
    assert lines["not mappable"] == ["not", "mappable", "10", "200", "10", "failed", "10", "none", "✓"]
    assert lines["wrong signature"] == ["wrong", "signature", "10", "401", "10", "rejected", "10", "none", "✓"]
    assert lines["all 1,000"] == ["all", "1,000", "1,000", "1,000", "880", "✓"]
    assert len(re.findall(r"^ +\d+ +(?:Low|Medium|High|Critical) +ACME-", output, re.MULTILINE)) == 5
    assert re.search(r"^answer +[\d.]+ ms +[\d.]+ ms", output, re.MULTILINE)
    assert re.search(r"^ticket +[\d.]+ ms +[\d.]+ ms", output, re.MULTILINE)
    assert "Every request is accounted for." in output
    assert mentioning(str(folder)) == []


def test_kept_it_stays_and_its_curl_line_works_as_pasted(folder: Path) -> None:
    output = run_demo("--keep", "--data-dir", str(folder))
    ready = read_ready_file(folder)
    pids = [ready.pid, *ready.pids.values()]
    try:
        [line] = [line for line in output.splitlines() if line.startswith("curl")]
        done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=30, check=False)  # noqa: S602
        assert "200 OK" in done.stdout, done.stdout + done.stderr
        assert f"kill {ready.pid}" in output
    finally:
        os.kill(ready.pid, signal.SIGTERM)
        await_gone(*pids, timeout_seconds=60)
    assert mentioning(str(folder)) == []
