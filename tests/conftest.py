"""Fixtures for every test folder."""

from tests.support.stack import database_dsn, kafka, postgres, stack_folder

__all__ = ["database_dsn", "kafka", "postgres", "stack_folder"]
