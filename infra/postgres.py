"""Postgres: pools that work as the service role, the tenant of a transaction, and what a database error means.

Roles connect with any login that is a member of `hookline_service` and step down to it, so that row-level security
holds for them whatever that login may do by itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from infra.errors import PostgresUnavailableError
from infra.settings import PostgresSettings

Row = dict[str, Any]
Connection = psycopg.Connection[Row]
Pool = ConnectionPool[Connection]

CONNECT_TIMEOUT_SECONDS = 5
RECONNECT_TIMEOUT_SECONDS = 2.0

_SET_ROLE = "SET ROLE hookline_service"
_SET_STATEMENT_TIMEOUT = "SELECT set_config('statement_timeout', %s, false)"
_SET_GENERIC_PLANS = "SET plan_cache_mode = force_generic_plan"
_SET_TENANT = "SELECT set_config('hookline.tenant_id', %s, true)"

_UNAVAILABLE_CLASSES = ("08", "53", "58")
_UNAVAILABLE_STATES = frozenset({"25006", "57P01", "57P02", "57P03", "57P05"})
_CONTENTION_STATES = frozenset({"40001", "40P01"})
_RACE_STATES = frozenset({"23503", "23505", "55P03"})
_TIMEOUT_STATE = "57014"


class PostgresFault(StrEnum):
    """What to do about a database error.

    `unavailable`: nothing was written, wait. `contention`: transactions stood in each other's way (deadlock,
    serialization), and this one has to let go of all it holds. `race`: the same command may succeed now, or fail for a
    better reason (a key that was taken, a row that was deleted, a lock). `timeout`: the statement ran into its limit.
    `other`: running it again gives the same.
    """

    UNAVAILABLE = "unavailable"
    CONTENTION = "contention"
    RACE = "race"
    TIMEOUT = "timeout"
    OTHER = "other"


def fault_of(error: psycopg.Error) -> PostgresFault:
    """The meaning of `error`."""
    state = error.sqlstate
    if state is None:
        connection_error = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return PostgresFault.UNAVAILABLE if connection_error else PostgresFault.OTHER
    if state.startswith(_UNAVAILABLE_CLASSES) or state in _UNAVAILABLE_STATES:
        return PostgresFault.UNAVAILABLE
    if state in _CONTENTION_STATES:
        return PostgresFault.CONTENTION
    if state in _RACE_STATES:
        return PostgresFault.RACE
    return PostgresFault.TIMEOUT if state == _TIMEOUT_STATE else PostgresFault.OTHER


@contextmanager
def unavailability_translated() -> Iterator[None]:
    """Turn errors that mean "Postgres is away" into PostgresUnavailableError; others pass. Never shows a value."""
    try:
        yield
    except PoolTimeout as error:
        raise PostgresUnavailableError("Postgres gave no connection in time") from error
    except psycopg.Error as error:
        if fault_of(error) is not PostgresFault.UNAVAILABLE:
            raise
        cause = error.diag.message_primary or str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PostgresUnavailableError(f"Postgres is not available: {cause}") from error


def open_pool(settings: PostgresSettings, *, generic_plans: bool = False) -> Pool:
    """A pool whose connections work as the service role; it connects in the background. Close it when done.

    `generic_plans`: for who always asks for few rows by their keys. A plan made for the values at hand expects hardly a
    row of a tenant that came after the last ANALYZE, and then reads all of them where a key leads to the one.
    """

    def prepare(connection: Connection) -> None:
        connection.execute(_SET_ROLE)
        timeout_milliseconds = int(settings.statement_timeout_seconds * 1_000)
        connection.execute(_SET_STATEMENT_TIMEOUT, (str(timeout_milliseconds),))
        if generic_plans:
            connection.execute(_SET_GENERIC_PLANS)
        connection.commit()

    return ConnectionPool(
        settings.dsn.get_secret_value(),
        connection_class=psycopg.Connection[Row],
        kwargs={"row_factory": dict_row, "connect_timeout": CONNECT_TIMEOUT_SECONDS},
        configure=prepare,
        min_size=1,
        max_size=settings.pool_connections_max,
        reconnect_timeout=RECONNECT_TIMEOUT_SECONDS,
        open=True,
    )


def set_tenant(connection: Connection, tenant_id: UUID) -> None:
    """Make `tenant_id` the tenant of the open transaction: row-level security shows its rows and no others."""
    connection.execute(_SET_TENANT, (str(tenant_id),))


@contextmanager
def tenant_transaction(pool: Pool, tenant_id: UUID) -> Iterator[Connection]:
    """One transaction for one tenant, committed at its end. Raises PostgresUnavailableError while Postgres is away."""
    with unavailability_translated(), pool.connection() as connection:
        set_tenant(connection, tenant_id)
        yield connection
