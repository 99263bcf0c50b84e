"""A file that is made from the code: written, or held against what it should be."""

from __future__ import annotations

import sys
from pathlib import Path


def write_or_check(file: Path, made: str, *, what: str, tool: str) -> int:
    """Exit code. With `--check` nothing is written, and 1 says that the file is not what `what` says: run `tool`."""
    if "--check" not in sys.argv[1:]:
        file.write_text(made, "utf-8")
        return 0
    is_current = file.exists() and file.read_text("utf-8") == made
    shown = f"{file.parent.name}/{file.name}"
    print(f"{file.stem}: ok" if is_current else f"{shown} is not what {what}: run tools/{tool}")
    return 0 if is_current else 1
