"""The demonstration's own stack: `hookline up` as a process that ends with us, or stays when it is to be kept."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from hookline.embedded.child import ChildSpecification, launch, tail
from hookline.errors import NotReadyError, NotRunningError, WorkFailedError
from hookline.ready_file import ReadyFile, read_ready_file
from hookline.stack import READY_SECONDS_MAX
from hookline.stack_folder import StackFolder

_POLL_SECONDS = 0.1
_START_SECONDS_MAX = 2 * READY_SECONDS_MAX
_STOP_SECONDS_MAX = 20.0
_SHOWN_LINES = 12


class DemoStack:
    """`keep`: the stack outlives this process; otherwise it ends with it, however that ends."""

    def __init__(self, data_dir: Path, *, keep: bool) -> None:
        self._data_dir = data_dir
        self._log = StackFolder(data_dir).logs / "up.log"
        ports = [] if keep else ["--ingress-port", "0", "--management-port", "0"]
        command = [sys.executable, "-P", "-m", "hookline", "up", "--data-dir", str(data_dir), *ports]
        start = _start_detached if keep else _start_attached
        self._process: _Process = start(command, self._log)

    def await_ready(self, on_line: Callable[[str], None]) -> ReadyFile:
        """Wait for the ready file; `on_line` gets what the stack says meanwhile.

        Raises WorkFailedError with the stack's own words when it ends, NotReadyError when it takes too long.
        """
        deadline = time.monotonic() + _START_SECONDS_MAX
        while time.monotonic() < deadline:
            if not self._process.alive():
                raise WorkFailedError(f"the stack ended:\n{self._last_lines(_SHOWN_LINES)}")
            try:
                return read_ready_file(self._data_dir)
            except NotRunningError:
                on_line(self._last_lines(1).partition(" s  ")[2])
            time.sleep(_POLL_SECONDS)
        raise NotReadyError(f"the stack was not ready within {_START_SECONDS_MAX:.0f} s, see {self._log}")

    def stop(self) -> None:
        """Stop everything, orderly."""
        self._process.stop(_STOP_SECONDS_MAX)

    def _last_lines(self, count: int) -> str:
        return "\n".join(tail(self._log).splitlines()[-count:])


class _Process(Protocol):
    def alive(self) -> bool: ...
    def stop(self, timeout_seconds: float) -> object: ...


class _Detached:
    """A process in a session of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self, timeout_seconds: float) -> None:
        if self.alive():
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _start_detached(command: list[str], log_file: Path) -> _Detached:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    return _Detached(process)


def _start_attached(command: list[str], log_file: Path) -> _Process:
    return launch(
        ChildSpecification(
            name="hookline up",
            command=command,
            log_file=log_file,
            pid_file=log_file.with_name("up.pid"),
            grace_seconds=_STOP_SECONDS_MAX,
        )
    )
