"""The embedded Postgres: starts, keeps its data, says what is wrong, and never blocks its next start."""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from hookline.embedded import postgres as postgres_module
from hookline.embedded.errors import ChildDidNotStart, DataFolderCorrupt, DataFolderForeign, DataFolderInUse, PortInUse
from hookline.embedded.postgres import PostgresServer, start_postgres
from tests.support.processes import await_gone, is_gone, mentioning, next_line, parent_of, python_process
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

PARENT = """
import sys, time
from pathlib import Path
from hookline.embedded.postgres import start_postgres
server = start_postgres(Path(sys.argv[1]))
print(server.pid, server.dsn, flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(stack_folder: Path, tmp_path: Path) -> Path:
    """A new folder that the server's own user can reach (stack_folder says why tmp_path is not one)."""
    return stack_folder / tmp_path.name


def write(dsn: str, value: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        connection.execute("INSERT INTO kept VALUES (%s)", (value,))


def read(dsn: str) -> list[tuple[str]]:
    with psycopg.connect(dsn) as connection:
        return [(str(row[0]),) for row in connection.execute("SELECT value FROM kept")]


def test_a_restart_keeps_rows_password_and_port_and_a_stop_leaves_no_process(folder: Path) -> None:
    with start_postgres(folder) as first:
        write(first.dsn, "before")
        family = [first.pid, *(child.pid for child in psutil.Process(first.pid).children(recursive=True))]
    await_gone(*family)
    with start_postgres(folder) as second:
        assert second.dsn == first.dsn
        assert read(second.dsn) == [("before",)]
    assert mentioning(str(folder)) == []


def test_a_server_comes_back_on_another_port_when_its_own_is_taken(folder: Path) -> None:
    with start_postgres(folder) as first:
        write(first.dsn, "before")
    with socket.create_server(("127.0.0.1", first.port)), start_postgres(folder) as second:
        assert second.port != first.port
        assert read(second.dsn) == [("before",)]


def test_a_killed_server_has_kept_what_it_committed_and_starts_again_at_once(folder: Path) -> None:
    server = start_postgres(folder)
    write(server.dsn, "committed")
    server.kill()
    assert not server.alive()
    with start_postgres(folder, port=server.port) as again:
        assert again.port == server.port
        assert read(again.dsn) == [("committed",)]


def test_open_transactions_do_not_hold_up_a_stop(folder: Path) -> None:
    with start_postgres(folder) as server:
        connection = psycopg.connect(server.dsn)
        connection.execute("CREATE TABLE unfinished (value text)")
        assert server.stop(timeout_seconds=10)
        connection.close()


def test_a_second_server_on_a_held_folder_is_refused_with_the_holders_pid(folder: Path) -> None:
    with start_postgres(folder) as server:
        with pytest.raises(DataFolderInUse, match=rf"process {os.getpid()}"):
            start_postgres(folder)
        write(server.dsn, "still here")


def test_a_port_that_is_taken_is_named_and_the_folder_let_go(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        for _ in range(2):
            with pytest.raises(PortInUse, match=f"port {taken} "):
                start_postgres(folder, port=taken)


def test_a_folder_of_someone_else_is_refused_untouched(folder: Path) -> None:
    folder.mkdir()
    (folder / "holiday.jpg").write_bytes(b"sea")
    with pytest.raises(DataFolderForeign, match=r"holiday\.jpg"):
        start_postgres(folder)
    assert (folder / "holiday.jpg").read_bytes() == b"sea"


def test_data_of_another_major_version_is_refused(folder: Path) -> None:
    start_postgres(folder).stop()
    (folder / "cluster" / "PG_VERSION").write_text("15\n")
    with pytest.raises(DataFolderForeign, match=r"data of Postgres 15, while postgres \(PostgreSQL\)"):
        start_postgres(folder)


def lose_version(cluster: Path) -> None:
    (cluster / "PG_VERSION").unlink()


def spoil_control_file(cluster: Path) -> None:
    control = cluster / "global" / "pg_control"
    control.write_bytes(os.urandom(control.stat().st_size))


def lose_log(cluster: Path) -> None:
    for segment in (cluster / "pg_wal").glob("0*"):
        segment.unlink()


@pytest.mark.parametrize("spoil", [lose_version, spoil_control_file, lose_log])
def test_a_damaged_folder_is_reported_with_what_to_do(folder: Path, spoil: Callable[[Path], None]) -> None:
    start_postgres(folder).stop()
    spoil(folder / "cluster")
    with pytest.raises(DataFolderCorrupt, match="Restore it from a copy") as caught:
        start_postgres(folder)
    assert str(folder) in str(caught.value)
    assert mentioning(str(folder)) == []


def test_a_server_that_stays_silent_is_stopped_at_the_deadline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "START_SECONDS_MAX", 0.0)
    with pytest.raises(ChildDidNotStart, match="no answer within"):
        start_postgres(folder)
    assert mentioning(str(folder)) == []


def test_a_half_made_folder_is_made_anew(folder: Path) -> None:
    half = folder / "cluster.making"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (folder / "password").write_text("of-the-killed-run")
    with start_postgres(folder) as server:
        write(server.dsn, "works")


def test_after_kill_9_of_the_parent_the_same_folder_starts_at_once_with_its_rows(folder: Path) -> None:
    with python_process(PARENT, str(folder)) as parent:
        pid_text, dsn = next_line(parent).split()
        write(dsn, "committed")
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        with start_postgres(folder) as server:
            assert is_gone(int(pid_text))
            assert read(server.dsn) == [("committed",)]


def test_after_kill_9_of_the_parent_nothing_is_left(folder: Path) -> None:
    with python_process(PARENT, str(folder)) as parent:
        pid = int(next_line(parent).split()[0])
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        await_gone(*family)
        eventually(lambda: mentioning(str(folder)) == [], timeout_seconds=10, what="no process of the folder left")


def test_a_real_leftover_is_stopped_before_the_next_start(folder: Path) -> None:
    """Parent and launcher killed while the server is suspended: nobody is left to end it."""
    said: list[str] = []
    with python_process(PARENT, str(folder)) as parent:
        pid = int(next_line(parent).split()[0])
        os.kill(pid, signal.SIGSTOP)
        os.kill(parent_of(pid), signal.SIGKILL)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert not is_gone(pid)
        with start_postgres(folder, on_progress=said.append):
            assert is_gone(pid)
    assert any(f"stopped process {pid}, left over" in line for line in said)


def test_only_the_password_opens_it_and_only_its_owner_can_read_the_password(postgres: PostgresServer) -> None:
    password_file = postgres.data_dir / "password"
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    assert postgres.password in postgres.dsn
    assert postgres.password not in repr(postgres)
    wrong = postgres.dsn.replace(postgres.password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_it_listens_on_the_loopback_address_only(postgres: PostgresServer) -> None:
    listening = [c.laddr for c in psutil.Process(postgres.pid).net_connections(kind="all") if c.status == "LISTEN"]
    assert listening == [("127.0.0.1", postgres.port)]


def test_it_never_runs_as_root(postgres: PostgresServer) -> None:
    assert psutil.Process(postgres.pid).uids().effective != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as another user")
def test_as_root_a_private_folder_above_is_opened_for_passing_through_and_nothing_more(folder: Path) -> None:
    private = folder / "private"
    private.mkdir(parents=True, mode=0o700)
    with start_postgres(private / "data") as server:
        write(server.dsn, "works")
    assert stat.S_IMODE(private.stat().st_mode) == 0o701


def test_statements_and_values_stay_out_of_its_log(postgres: PostgresServer, database_dsn: str) -> None:
    with psycopg.connect(database_dsn) as connection:
        connection.execute("CREATE TABLE once (value text PRIMARY KEY)")
        connection.execute("INSERT INTO once VALUES ('hush')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO once VALUES ('hush')")
    assert "duplicate key" in postgres.log_tail()
    assert "hush" not in postgres.log_tail()
