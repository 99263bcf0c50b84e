"""The embedded ClickHouse engine as a fixture: a process can have only one folder, so all tests share it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.clickhouse import ClickHouse, migrate
from infra.settings import ClickHouseSettings
from management import log_reader

#: An engine keeps files that were replaced for eight minutes, and looks for them ever more rarely while it finds none.
_FORGET_AT_ONCE = (
    "ALTER TABLE deliveries MODIFY SETTING old_parts_lifetime = 1, cleanup_delay_period = 1, "
    "cleanup_delay_period_random_add = 0, max_cleanup_delay_period = 1, merge_tree_clear_old_parts_interval_seconds = 1"
)
#: A page's total is right however busy the machine is; a count that is broken off tells only that there are more.
_COUNT_SECONDS_MAX = 60.0


@pytest.fixture(scope="session")
def clickhouse_engine(stack_folder: Path) -> Iterator[ClickHouse]:
    """Migrated. Tests keep apart by tenants, times and ids of their own."""
    engine = ClickHouse(ClickHouseSettings(path=stack_folder / "clickhouse"))
    migrate(engine)
    engine.execute(_FORGET_AT_ONCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_reader, "COUNT_SECONDS_MAX", _COUNT_SECONDS_MAX)
        yield engine
    engine.close()
