"""Child processes that cannot outlive us (how: see launcher.py), with their output in a log file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hookline.embedded.errors import RuntimeMissing

LAUNCHER = Path(__file__).with_name("launcher.py")
LOG_TAIL_BYTES_MAX = 8 * 1024
POLL_SECONDS = 0.02
KILL_WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class ChildSpecification:
    """What to run and how.

    ``user_id``/``group_id``: run as another user (needs root). ``grace_seconds``: how long the child may take between
    ``stop_signal`` and SIGKILL when the parent has died. ``pid_file`` exists as long as the child runs.
    """

    name: str
    command: Sequence[str]
    log_file: Path
    pid_file: Path
    environment: Mapping[str, str] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    user_id: int = -1
    group_id: int = -1
    working_folder: Path | None = None


@dataclass
class ChildProcess:
    """A running child; ``pid`` is the program's own, not the launcher's."""

    name: str
    pid: int
    log_file: Path
    _launcher: subprocess.Popen[bytes]
    _watch_write: int
    _stop_signal: signal.Signals
    _closed: bool = field(default=False)

    def alive(self) -> bool:
        return self._launcher.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; 128 + N when signal N ended it."""
        return self._launcher.poll()

    def wait(self, timeout_seconds: float) -> bool:
        """True when the child has ended within the time."""
        try:
            self._launcher.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        self._close()
        return True

    def stop(self, timeout_seconds: float = 10.0) -> bool:
        """Stop signal, then SIGKILL after the time. True when it ended by itself in time (or had already ended)."""
        self._signal(self._stop_signal)
        self._signal(signal.SIGCONT)
        ended = self.wait(timeout_seconds)
        if not ended:
            self.kill()
        return ended

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        self._signal(signal.SIGKILL)
        self.wait(KILL_WAIT_SECONDS)

    def suspend(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def log_tail(self) -> str:
        return tail(self.log_file)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive():
            _send(self.pid, number)

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._watch_write)


def launch(specification: ChildSpecification) -> ChildProcess:
    """Start the child; returns once it runs (which says nothing about readiness).

    Raises RuntimeMissing when the program cannot be executed.
    """
    rotate(specification.log_file)
    watch_read, watch_write = os.pipe()
    report_read, report_write = os.pipe()
    try:
        with specification.log_file.open("ab") as log:
            launcher = subprocess.Popen(  # noqa: S603 - our own launcher and our own command
                _launcher_command(specification, watch_read, report_write),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=None if specification.environment is None else dict(specification.environment),
                cwd=specification.working_folder,
                pass_fds=(watch_read, report_write),
                start_new_session=True,
            )
    finally:
        os.close(watch_read)
        os.close(report_write)
    with os.fdopen(report_read, "r", encoding="utf-8") as report:
        kind, _, text = report.readline().strip().partition(" ")
    if kind != "pid":
        os.close(watch_write)
        launcher.wait()
        raise RuntimeMissing(specification.command[0], text or tail(specification.log_file))
    return ChildProcess(
        specification.name, int(text), specification.log_file, launcher, watch_write, specification.stop_signal
    )


def _launcher_command(specification: ChildSpecification, watch_read: int, report_write: int) -> list[str]:
    order = [
        os.getpid(),
        watch_read,
        report_write,
        int(specification.stop_signal),
        specification.grace_seconds,
        specification.user_id,
        specification.group_id,
        specification.pid_file,
    ]
    return [sys.executable, "-I", "-S", str(LAUNCHER), *map(str, order), *specification.command]


def stop_leftover(
    pid_file: Path, identity: str, *, stop_signal: signal.Signals = signal.SIGTERM, timeout_seconds: float = 15.0
) -> int | None:
    """Stop what a killed parent may have left running; returns its pid when there was one.

    ``identity`` must be one of the process's arguments: a recycled pid of some other program is left alone.
    """
    pid = _read_pid(pid_file)
    if pid is None:
        return None
    found = is_running(pid, identity)
    for number, seconds in ((stop_signal, timeout_seconds), (signal.SIGKILL, KILL_WAIT_SECONDS)):
        deadline = time.monotonic() + seconds
        if is_running(pid, identity):
            _send(pid, number)
            _send(pid, signal.SIGCONT)
        while found and not _has_ended(pid, identity) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    pid_file.unlink(missing_ok=True)
    return pid if found else None


def is_running(pid: int, identity: str) -> bool:
    """True when a process with this pid runs and has ``identity`` in its command line (a zombie has none)."""
    if Path("/proc/self/cmdline").exists():
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.fsencode(identity) in raw.split(b"\0")
    listing = subprocess.run(  # noqa: S603 - fixed program, numeric argument
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return identity in listing.stdout


def _has_ended(pid: int, identity: str) -> bool:
    """True when a process that ran is gone, a zombie or another one by now.

    One that is just ending has no command line any more but may still hold its files and ports.
    """
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return not is_running(pid, identity)
    return state in "ZX" or (bool(raw) and os.fsencode(identity) not in raw.split(b"\0"))


def _send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that has just ended is no error."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def tail(path: Path) -> str:
    """The last few KiB of a log, or nothing when there is none."""
    try:
        with path.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - LOG_TAIL_BYTES_MAX))
            return log.read().decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return ""


def _read_pid(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text(encoding="ascii").split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def rotate(log_file: Path) -> None:
    """Make way for a new log, so that a log's tail speaks of this run only; the last run's is kept as ``.1``."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    if log_file.exists():
        log_file.replace(log_file.with_name(f"{log_file.name}.1"))
