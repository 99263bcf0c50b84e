"""What a test's process needs of memory: the API, its readers and the ClickHouse engine are all in it."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def resident_bytes() -> int:
    """Of this process, now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Peak:
    """The most that the process needed while the context lasted."""

    def __init__(self) -> None:
        self.begin = self.bytes = resident_bytes()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look)

    @property
    def grown_bytes(self) -> int:
        """Above what it was at the beginning."""
        return self.bytes - self.begin

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stopping.wait(0.05):
            self.bytes = max(self.bytes, resident_bytes())
