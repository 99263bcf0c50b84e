"""Named SQL blocks: a `.sql` file holds blocks that begin with a line `-- name: verb_object`."""

import re
from collections.abc import Mapping
from pathlib import Path

_BLOCK = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$", re.MULTILINE)


def load_queries(path: Path) -> Mapping[str, str]:
    """Statements by name. Raises ValueError when a name stands twice or a block is empty."""
    parts = _BLOCK.split(path.read_text())
    queries: dict[str, str] = {}
    for name, statement in zip(parts[1::2], parts[2::2], strict=True):
        text = statement.strip().removesuffix(";")
        if name in queries or not text:
            raise ValueError(f"{path}: query {name} is there twice or empty")
        queries[name] = text
    return queries
