"""What only the operator may see: letters that name no tenant, found in the index as the database's owner."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from hookline.errors import UsageError, WorkFailedError
from infra.postgres import Connection, Row, unavailability_translated
from infra.queries import load_queries
from infra.settings import Settings
from management.dead_letters.letters import Letter, parse_place
from management.dead_letters.reading import read_letters

_QUERIES = load_queries(Path(__file__).parent / "dead_letters.sql")


def list_unowned(dsn: str, limit: int) -> list[Row]:
    """The newest of them. Raises PostgresUnavailableError."""
    with _relay(dsn) as connection:
        rows: list[Row] = connection.execute(_QUERIES["list_unowned"].encode(), {"limit": limit}).fetchall()
        return rows


def read_unowned(settings: Settings, letter_id: str) -> Letter:
    """One of them with its record. Raises UsageError, WorkFailedError, and as the stores do."""
    place = parse_place(letter_id)
    if place is None:
        raise UsageError(f"{letter_id!r} is no letter: the id is topic:partition:offset")
    topic, partition, offset = place
    with _relay(settings.postgres.dsn.get_secret_value()) as connection:
        where = {"topic": topic, "partition": partition, "record_offset": offset}
        if connection.execute(_QUERIES["find_unowned"].encode(), where).fetchone() is None:
            raise WorkFailedError(f"no letter {letter_id} that names no tenant: others are their tenants'")
    letter = read_letters(settings.kafka, [place])[place]
    if not isinstance(letter, Letter):
        raise WorkFailedError(f"{letter_id} cannot be read: {letter.reason}")
    return letter


@contextmanager
def _relay(dsn: str) -> Iterator[Connection]:
    with unavailability_translated(), psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute(_QUERIES["become_relay"].encode())
        yield connection
