"""Named SQL blocks: a `.sql` file holds blocks that begin with a line `-- name: verb_object`."""

import re
from collections.abc import Mapping
from pathlib import Path

_BLOCK = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$", re.MULTILINE)


_PART = re.compile(r"/\*([a-z][a-z0-9_]*)\*/")


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


def load_whole_queries(path: Path) -> Mapping[str, str]:
    """As `load_queries`, of a file that has every part of its statements: they are put together."""
    queries = load_queries(path)
    return {name: put_together(queries, name) for name in queries}


def put_together(queries: Mapping[str, str], name: str, **parts: str) -> str:
    """The statement `name` with every `/*part*/` replaced: by the text in `parts`, else by the block of that name.

    Parts may have parts of their own. Only blocks and texts made of them belong in `parts`, never a value.
    """
    statement = queries[name]
    while _PART.search(statement):
        statement = _PART.sub(lambda found: parts[found[1]] if found[1] in parts else queries[found[1]], statement)
    return statement
