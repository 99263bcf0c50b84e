"""Length limits ruff does not know: lines per file and per function, tests included."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
SKIPPED = {"build", "dist", "node_modules", "data"}


def source_files(root: Path = ROOT) -> Iterator[Path]:
    """Python files of the project: nothing below a folder that is hidden, generated or holds data."""
    for path in sorted(root.rglob("*.py")):
        folders = path.relative_to(root).parts[:-1]
        if not any(folder in SKIPPED or folder.startswith(".") for folder in folders):
            yield path


def problems_of(path: Path, text: str) -> Iterator[str]:
    """One line per breach, as `path:line: what`."""
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{path}:1: {lines} lines, the limit is {FILE_LINES_MAX}"
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines, the limit is {FUNCTION_LINES_MAX}"


def main() -> int:
    """Exit 0 when nothing is too long, else 1 with every breach."""
    problems = [
        problem for path in source_files() for problem in problems_of(path.relative_to(ROOT), path.read_text("utf-8"))
    ]
    print("\n".join(problems) or "sizes: ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
