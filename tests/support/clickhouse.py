"""The embedded ClickHouse engine as a fixture: a process can have only one folder, so all tests share it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.clickhouse import ClickHouse, migrate
from infra.settings import ClickHouseSettings


@pytest.fixture(scope="session")
def clickhouse_engine(stack_folder: Path) -> Iterator[ClickHouse]:
    """Migrated. Tests keep apart by tenants, times and ids of their own."""
    engine = ClickHouse(ClickHouseSettings(path=stack_folder / "clickhouse"))
    migrate(engine)
    yield engine
    engine.close()
