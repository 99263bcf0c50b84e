"""Every action in every case: what is declared is what happens, and what the page of actions shows.

HOOKLINE_WRITE_MATRIX=1 writes docs/action-matrix.json anew; then run tools/write_actions.py.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.embedded.postgres import PostgresServer
from tests.support.action_cells import CELLS
from tests.support.action_matrix import CASES, Cell, run_cell
from tests.support.actions import builtin_registry
from tests.support.matrix_stage import MatrixStage
from tests.support.stack import new_database

FILE = Path(__file__).parents[2] / "docs" / "action-matrix.json"
IS_WRITING = os.environ.get("HOOKLINE_WRITE_MATRIX") == "1"


@pytest.fixture(scope="module")
def stage(postgres: PostgresServer) -> Iterator[MatrixStage]:
    with new_database(postgres.dsn) as dsn, MatrixStage.open(dsn) as stage:
        yield stage


@pytest.fixture(scope="module")
def matrix() -> Iterator[dict[str, dict[str, Cell]]]:
    """The documented cells by action and case; or, where they are to be written, those of this run."""
    if not IS_WRITING:
        yield json.loads(FILE.read_text("utf-8"))
        return
    written: dict[str, dict[str, Cell]] = defaultdict(dict)
    yield written
    FILE.write_text(json.dumps(written, indent=1) + "\n", "utf-8")


def test_every_action_of_the_registry_has_declared_cells() -> None:
    assert sorted(CELLS) == sorted(builtin_registry())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("action", builtin_registry())
def test_a_cell_is_what_is_declared_and_documented(
    stage: MatrixStage, matrix: dict[str, dict[str, Cell]], action: str, case: str
) -> None:
    cell = run_cell(stage, action, case)
    if IS_WRITING:
        matrix[action][case] = cell
    assert matrix[action][case] == cell, f"{FILE.name} says something else: HOOKLINE_WRITE_MATRIX=1 writes it anew"


def test_the_document_has_these_cells_and_no_others(matrix: dict[str, dict[str, Cell]]) -> None:
    assert {action: list(cells) for action, cells in matrix.items()} == {
        action: list(CASES) for action in builtin_registry()
    }
