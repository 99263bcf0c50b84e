"""`hookline migrate`: both stores, as far as this process may open them."""

from infra.clickhouse import ClickHouse
from infra.clickhouse import migrate as migrate_clickhouse
from infra.migrations import migrate
from infra.settings import Settings


def migrate_stores(settings: Settings) -> dict[str, list[str]]:
    """Apply what is missing; the names applied, per store. Raises HooklineError."""
    applied = {"postgres": migrate(settings.postgres.dsn.get_secret_value())}
    if settings.clickhouse.dsn is not None:
        clickhouse = ClickHouse(settings.clickhouse)
        applied["clickhouse"] = migrate_clickhouse(clickhouse)
        clickhouse.close()
    return applied
