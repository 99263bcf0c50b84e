"""A ClickHouse server that cannot be used, over HTTP: every way of being away is the same error of ours."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from infra.clickhouse import ClickHouse
from infra.errors import ClickHouseUnavailableError
from infra.settings import ClickHouseSettings
from tests.support.ports import silent_port


def client_of(port: int) -> ClickHouse:
    members = {"connect_timeout_seconds": 1.0, "request_timeout_seconds": 1.0}
    return ClickHouse(ClickHouseSettings.model_validate({"dsn": f"clickhouse://u:p@127.0.0.1:{port}/d", **members}))


@pytest.fixture
def away() -> Iterator[ClickHouse]:
    with silent_port() as port:
        yield client_of(port)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_where_nothing_listens(away: ClickHouse) -> None:
    with pytest.raises(ClickHouseUnavailableError):
        away.ping()


def test_what_is_said_of_it_holds_no_parameter(away: ClickHouse) -> None:
    with pytest.raises(ClickHouseUnavailableError) as raised:
        away.query("SELECT {secret:String}", {"secret": "hunter2"})
    assert str(raised.value) == "not reached: Connection refused"


def test_where_something_listens_and_never_answers(listener: socket.socket) -> None:
    with pytest.raises(ClickHouseUnavailableError):
        client_of(listener.getsockname()[1]).ping()


def test_where_the_connection_ends_instead_of_an_answer(listener: socket.socket) -> None:
    def hang_up() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.recv(1)
                connection.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    try:
        with pytest.raises(ClickHouseUnavailableError):
            client_of(listener.getsockname()[1]).ping()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    assert not thread.is_alive()
