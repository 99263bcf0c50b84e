"""Fixtures for every test folder."""

from tests.support.clickhouse import clickhouse_engine
from tests.support.docker import docker_engine
from tests.support.management import management_base
from tests.support.stack import database_dsn, kafka, postgres, stack_folder

__all__ = ["clickhouse_engine", "database_dsn", "docker_engine", "kafka", "management_base", "postgres", "stack_folder"]
