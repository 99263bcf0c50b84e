"""What the embedded servers have in common: a child process that holds a data folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from hookline.embedded.child import ChildProcess
from hookline.embedded.lock import FolderLock

STOP_SECONDS = 15.0


@dataclass(kw_only=True)
class EmbeddedServer:
    """A running server. Use it as a context manager, or call ``stop`` when done.

    ``stop`` and ``kill`` also let the data folder go; a server that died by itself keeps it until one of them is
    called.
    """

    port: int
    data_dir: Path
    child: ChildProcess = field(repr=False)
    lock: FolderLock = field(repr=False)

    @property
    def pid(self) -> int:
        """The server's own, not its launcher's."""
        return self.child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; 128 + N when signal N ended it."""
        return self.child.exit_code

    def alive(self) -> bool:
        return self.child.alive()

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Orderly shutdown, SIGKILL after the time. True when it ended in time."""
        ended = self.child.stop(timeout_seconds)
        self.lock.release()
        return ended

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.child.kill()
        self.lock.release()

    def suspend(self) -> None:
        """SIGSTOP: its sockets stay open and nothing is answered."""
        self.child.suspend()

    def resume(self) -> None:
        """SIGCONT."""
        self.child.resume()

    def log_tail(self) -> str:
        """The last few KiB of this run's log."""
        return self.child.log_tail()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
