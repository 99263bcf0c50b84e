"""One shape per resource: whoever knows one folder of management knows where to look in every other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

MANAGEMENT = Path(__file__).parents[2] / "management"
#: What serves HTTP is a resource; a folder without endpoints is something that resources share.
RESOURCES = sorted(path.parent for path in MANAGEMENT.rglob("endpoints.py"))
FOLDERS = sorted(path.parent for path in MANAGEMENT.rglob("*/__init__.py"))
ALWAYS = {"__init__.py", "endpoints.py", "schemas.py", "service.py"}
#: A resource that asks no store anything has no SQL, and then nothing that runs it.
WITH_SQL = {"queries.sql", "repository.py"}
_STATEMENT = re.compile(r"\b(SELECT\b.*\bFROM|INSERT INTO|UPDATE\b.*\bSET|DELETE FROM)\b", re.DOTALL)


def _name(folder: Path) -> str:
    return folder.name


@pytest.mark.parametrize("folder", RESOURCES, ids=_name)
def test_a_resource_has_the_five_files(folder: Path) -> None:
    names = {path.name for path in folder.iterdir() if path.is_file()}
    assert names >= ALWAYS
    has_sql = any(name.endswith(".sql") for name in names)
    assert names & WITH_SQL == (WITH_SQL if has_sql else set())


@pytest.mark.parametrize("folder", FOLDERS, ids=_name)
def test_a_folder_says_in_one_line_what_it_is(folder: Path) -> None:
    tree = ast.parse((folder / "__init__.py").read_text("utf-8"))
    assert len(tree.body) == 1
    documented = ast.get_docstring(tree)
    assert documented is not None
    assert "\n" not in documented


def test_resources_are_found() -> None:
    assert {"actions", "deliveries", "event_types", "inbound_webhooks"} <= {folder.name for folder in RESOURCES}


@pytest.mark.parametrize("path", sorted(MANAGEMENT.rglob("*.py")), ids=lambda path: str(path.relative_to(MANAGEMENT)))
def test_no_statement_stands_in_code(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        node.value.decode("utf-8", "replace") if isinstance(node.value, bytes) else node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in documentation
    ]
    assert [text for text in texts if _STATEMENT.search(text)] == []
