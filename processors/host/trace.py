"""Every hand-out, seek, acknowledgement and commit as a line of JSON, so that a failing run explains itself.

Off unless the setting `processors.trace_log` names a file. Lines hold positions and ids, never bodies.
"""

import json
import os
import time
from pathlib import Path
from typing import TextIO


class TraceLog:
    """Appends events to one file per process; a no-op without a path."""

    def __init__(self, path: Path | None) -> None:
        self._file: TextIO | None = None
        if path is not None:
            path.mkdir(parents=True, exist_ok=True)
            self._file = (path / f"processors-{os.getpid()}.jsonl").open("a", buffering=1)

    def event(self, name: str, /, **facts: object) -> None:
        """One event; `facts` must be JSON values."""
        if self._file is not None:
            self._file.write(json.dumps({"at": time.time(), "event": name, **facts}) + "\n")
