"""One running stack per data folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from hookline.embedded.errors import DataFolderInUse, os_errors_translated

LOCK_FILE = ".lock"


class FolderLock:
    """An exclusive flock on ``folder/.lock``; the kernel lets it go when the holder dies, however it dies."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let the folder go (twice is harmless). The file stays: removing it would race with the next holder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lock_folder(folder: Path) -> FolderLock:
    """Create ``folder`` where needed and lock it.

    Raises DataFolderInUse (naming the holder's pid), NoWritePermission or DiskFull.
    """
    with os_errors_translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise DataFolderInUse(folder, holder) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return FolderLock(descriptor)
