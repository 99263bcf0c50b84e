"""A measurement gives its figures or a reason, ends in time, and leaves no process behind."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.__main__ import MEASUREMENTS, SECONDS_MAX, MeasurementError, last_object, run_measurement
from bench.open_loop import content_length

# Starts a process that outlives it, says where, and then does as told.
_PARENT = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
print("starting")
print('{"figure": 1}')
if sys.argv[2] == "hang":
    try:
        pathlib.Path(sys.argv[1] + ".begun").touch()
        time.sleep(600)
    finally:
        pathlib.Path(sys.argv[1] + ".stopped").touch()
sys.exit(3 if sys.argv[2] == "fail" else 0)
"""


def command(pid_file: Path, then: str) -> list[str]:
    return [sys.executable, "-c", _PARENT, str(pid_file), then]


def is_gone(pid_file: Path) -> bool:
    pid = int(pid_file.read_text())
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_measurement_gives_the_object_it_printed_last_and_what_it_left_running_is_ended(tmp_path: Path) -> None:
    assert run_measurement(command(tmp_path / "pid", "end"), timeout_seconds=30) == {"figure": 1}
    assert is_gone(tmp_path / "pid")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As `python -m bench` has it: a shell's `&` lets pytest ignore SIGINT, and a measurement would inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_one_that_is_not_done_in_time_may_stop_in_order_and_then_nothing_is_left(tmp_path: Path) -> None:
    for seconds in (3, 10, 30):  # a busy machine may need longer than the first to start Python twice
        with pytest.raises(MeasurementError, match=f"not done after {seconds} s"):
            run_measurement(command(tmp_path / "pid", "hang"), timeout_seconds=seconds)
        if (tmp_path / "pid.begun").exists():
            break
    assert (tmp_path / "pid.stopped").exists(), "it was killed, not asked"
    assert is_gone(tmp_path / "pid")


def test_one_that_fails_says_how(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="ended with 3"):
        run_measurement(command(tmp_path / "pid", "fail"), timeout_seconds=30)
    with pytest.raises(MeasurementError, match="No such broker"):
        run_measurement([sys.executable, "-c", "raise OSError('No such broker')"], timeout_seconds=30)


def test_temporary_files_of_a_measurement_are_removed() -> None:
    source = "import json, tempfile; print(json.dumps({'folder': tempfile.mkdtemp()}))"
    folder = run_measurement([sys.executable, "-c", source], timeout_seconds=30)["folder"]
    assert not os.path.exists(folder)


@pytest.mark.parametrize("output", ["", "no JSON at all", "{", "[1]"])
def test_output_without_an_object_is_a_failure(output: str) -> None:
    with pytest.raises(MeasurementError, match="printed no JSON"):
        last_object(output)


def test_the_last_object_is_found_behind_other_lines() -> None:
    assert last_object('a line\n{"first": 1}\n{\n "second": {\n  "a": 1\n }\n}\n') == {"second": {"a": 1}}


def test_a_whole_run_fits_into_its_time() -> None:
    assert sum(measurement.seconds_max for measurement in MEASUREMENTS.values()) <= SECONDS_MAX


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 54\r\nx: y\r\n\r\n", 54),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 0),
    ],
)
def test_the_length_of_an_answer_is_what_its_head_says(head: bytes, length: int) -> None:
    assert content_length(head) == length
