"""`python -m bench`: every measurement, one after the other, as a table and as JSON.

Each measurement is a process of its own (`python -m bench.NAME`) that starts the servers it needs. Nothing is left
running, whatever happens: a measurement that is not done in time is asked to stop and then killed, with all that it
started. Exit codes: 0 everything was measured (whether or not aims are met), 1 something was not, 2 wrong usage,
130 stopped by Ctrl-C or SIGTERM.
"""

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import psutil
from rich.console import Console

from bench.machine import read_machine
from bench.report import RESULTS, BenchResult, describe, figure_table, further_tables
from hookline.console import Progress, output_console
from tools.check_left_running import marked

ROOT = Path(__file__).parent.parent
SECONDS_MAX = 1_070.0
_STOP_SECONDS_MAX = 30.0
_KILL_SECONDS_MAX = 5.0
_POLL_SECONDS = 0.05
_ERROR_CHARACTERS_MAX = 1_500
_MARK = "HOOKLINE_BENCH_RUN"


class MeasurementError(Exception):
    """A measurement gave no figures; the message says why."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Arguments of a bench module: for a full run, and for one of a third of the time."""

    full: tuple[str, ...]
    quick: tuple[str, ...]
    seconds_max: float


MEASUREMENTS: Mapping[str, Measurement] = {
    "verification": Measurement((), ("--seconds", "0.2"), 30),
    "limits": Measurement((), ("--seconds", "0.2"), 10),
    "ingress": Measurement((), ("--seconds", "1.4"), 110),
    "processors": Measurement((), ("--records", "130000"), 120),
    "actions": Measurement((), ("--records", "7000"), 70),
    "action_types": Measurement((), ("--batches", "3"), 70),
    "mappings": Measurement((), ("--mappings", "300000", "--rounds", "300"), 80),
    "analytics": Measurement((), ("--records", "70000"), 70),
    "log": Measurement((), ("--rows", "500000", "--exported", "30000"), 150),
    "management": Measurement((), ("--listed", "3000", "--loaded", "30000"), 100),
    "mixed": Measurement((), ("--requests", "6000"), 50),
    "pipeline": Measurement((), ("--seconds", "10"), 90),
    "replays": Measurement((), ("--records", "3000", "--seconds", "5"), 120),
}


def measure(names: Sequence[str], progress: Progress, *, quick: bool) -> BenchResult:
    """Everything named, in the order of the pipeline; one that fails does not keep the others from being measured."""
    machine, started_at = read_machine(), datetime.now(UTC)
    measurements: dict[str, dict[str, Any]] = {}
    failures: dict[str, str] = {}
    began = time.monotonic()
    for name in (name for name in MEASUREMENTS if name in names):
        measurement = MEASUREMENTS[name]
        progress.say(f"{name}: measuring")
        left = began + SECONDS_MAX - _STOP_SECONDS_MAX - time.monotonic()
        command = [sys.executable, "-m", f"bench.{name}", *(measurement.quick if quick else measurement.full)]
        try:
            measurements[name] = run_measurement(command, timeout_seconds=max(0.0, min(measurement.seconds_max, left)))
        except MeasurementError as error:
            failures[name] = str(error)
            progress.say(f"{name}: {error}")
    return BenchResult(
        started_at=started_at,
        seconds=round(time.monotonic() - began, 1),
        quick=quick,
        machine=machine,
        measurements=measurements,
        failures=failures,
    )


def run_measurement(command: Sequence[str], *, timeout_seconds: float) -> dict[str, Any]:
    """The JSON object that `command` prints last. Raises MeasurementError; leaves no process and no file."""
    mark = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="hookline-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may run as another user, who must be able to enter
        # Files and not pipes: a process that was left running would keep a pipe open, and us waiting.
        output, errors = folder / "measurement.out", folder / "measurement.err"
        with output.open("wb") as stdout, errors.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, _MARK: mark, "TMPDIR": name},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C reaches us alone, who then stop it in order
            )
        try:
            process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise MeasurementError(f"not done after {timeout_seconds:.0f} s") from None
        finally:
            _end(process, f"{_MARK}={mark}")
        if process.returncode != 0:
            reason = errors.read_text("utf-8", "replace")[-_ERROR_CHARACTERS_MAX:].strip()
            raise MeasurementError(f"ended with {process.returncode}: {reason}")
        return last_object(output.read_text("utf-8", "replace"))


def last_object(output: str) -> dict[str, Any]:
    """The JSON object at the end of `output`, which begins at the start of a line. Raises MeasurementError."""
    at = 0 if output.startswith("{") else output.rfind("\n{") + 1
    try:
        found = json.loads(output[at:])
    except json.JSONDecodeError as error:
        raise MeasurementError(f"printed no JSON: {error}") from error
    if not isinstance(found, dict):
        raise MeasurementError("printed no JSON object")
    return found


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Let a measurement that still runs stop its servers; then kill what bears its mark."""
    with _signals_ignored():
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
        deadline = time.monotonic() + _KILL_SECONDS_MAX
        while (left := marked(mark)) and time.monotonic() < deadline:
            for member in left:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            time.sleep(_POLL_SECONDS)
        process.wait()


@contextmanager
def _signals_ignored() -> Iterator[None]:
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _show(console: Console, result: BenchResult) -> None:
    console.print()
    console.print(figure_table(result))
    for table in further_tables(result):
        console.print()
        console.print(table)
    console.print()
    for line in describe(result):
        console.print(line, style="yellow" if line.startswith(("Warning", "Quick", "Not")) else "dim", markup=False)


def _out(arguments: argparse.Namespace, result: BenchResult) -> Path:
    """Only a whole run may become a committed result by itself."""
    if arguments.out is not None:
        return Path(arguments.out)
    whole = not result.quick and set(result.measurements) == set(MEASUREMENTS)
    name = f"{result.started_at:%Y-%m-%d}-{result.machine.cpus}cpu.json"
    return RESULTS / name if whole else Path(tempfile.gettempdir()) / f"hookline-bench-{name}"


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = set(names) - set(MEASUREMENTS)
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: choose from {', '.join(MEASUREMENTS)}")
    return names


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Hookline beside its floors.")
    parser.add_argument("--only", type=_names, default=list(MEASUREMENTS), metavar="NAME,…", help="some of them")
    parser.add_argument("--quick", action="store_true", help="a third of the time: rough figures")
    parser.add_argument("--out", metavar="FILE", help="where the JSON goes (else it is said where it went)")
    arguments = parser.parse_args()
    # Not ignored even where a shell's `&` says so: a measurement inherits this, and SIGINT is how it is stopped.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    console = output_console()
    try:
        result = measure(arguments.only, Progress(console), quick=arguments.quick)
    except KeyboardInterrupt:
        console.print("stopped; nothing is left running")
        return 130
    path = _out(arguments, result)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(result.model_dump_json(indent=2) + "\n", "utf-8")
    _show(console, result)
    console.print(f"\n{path}", markup=False)
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
