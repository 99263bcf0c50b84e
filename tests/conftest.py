"""Fixtures for every test folder."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.support.actions import action_base
from tests.support.clickhouse import clickhouse_engine
from tests.support.docker import docker_engine
from tests.support.management import management_base, whole_log
from tests.support.processor_time import earlier_objects_left_alone
from tests.support.stack import database_dsn, kafka, migrated_dsn, migrated_template, postgres, stack_folder

FIXTURES = (
    *(action_base, clickhouse_engine, database_dsn, docker_engine, kafka, management_base, postgres, stack_folder),
    *(migrated_dsn, migrated_template, whole_log, earlier_objects_left_alone),
)

# Else an example has 200 ms by the clock, and ten of them a second to be made up: a busy machine takes that away now
# and then, first where the tables of characters are not there yet. What has to be quick has tests of its own.
settings.register_profile("hookline", deadline=None)
settings.load_profile("hookline")


@pytest.fixture(scope="session", autouse=True)
def _loggers_follow_the_newest_configuration() -> Iterator[None]:
    """A process is configured once; here many parts share one, and the last to configure must not find loggers that
    keep an earlier level, or what is said to be absent from a log would be absent from an empty one."""
    with pytest.MonkeyPatch.context() as patch:
        configure = structlog.configure

        def without_cache(**options: object) -> None:
            configure(**{**options, "cache_logger_on_first_use": False})  # type: ignore[arg-type]

        patch.setattr(structlog, "configure", without_cache)
        # Until a part configures its logs: structlog's own picture of an exception takes ten seconds to draw.
        plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        structlog.configure(processors=[structlog.processors.add_log_level, plain])
        yield
