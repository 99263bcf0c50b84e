"""Who is started again, when, and in which order all are stopped; with children that are no processes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from hookline.embedded.errors import RuntimeMissing
from hookline.supervisor import RESTART_SECONDS_MAX, Supervisor, restart_delay_seconds
from tests.support.wait import eventually


class FakeChild:
    """Lives until it is stopped or told to die."""

    _pids = count(1)

    def __init__(self, name: str, stopped: list[str], *, ends_in_time: bool = True) -> None:
        self.pid = next(self._pids)
        self.exit_code: int | None = None
        self._name = name
        self._stopped = stopped
        self._ends_in_time = ends_in_time

    def alive(self) -> bool:
        return self.exit_code is None

    def die(self) -> None:
        self.exit_code = 137

    def stop(self, timeout_seconds: float) -> bool:
        if self.alive():
            self._stopped.append(self._name)
            self.exit_code = 0
        return self._ends_in_time

    def log_tail(self) -> str:
        return ""


@contextmanager
def watching(supervisor: Supervisor) -> Iterator[None]:
    stopping = threading.Event()
    thread = threading.Thread(target=supervisor.watch, args=(stopping,))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(5)


def test_delays_double_up_to_their_bound() -> None:
    assert [restart_delay_seconds(deaths) for deaths in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]
    assert restart_delay_seconds(60) == RESTART_SECONDS_MAX


def test_a_child_that_dies_is_started_again_and_it_is_said() -> None:
    said: list[str] = []
    changes: list[dict[str, int]] = []
    supervisor = Supervisor(said.append, lambda: changes.append(dict(supervisor.pids)))
    first = FakeChild("actions", [])
    supervisor.adopt(["actions", "analytics"], lambda: FakeChild("actions", []), first, stop_seconds=1)
    with watching(supervisor):
        first.die()
        eventually(lambda: changes, timeout_seconds=5, what="the child to be started again")
    assert changes[0]["actions"] == changes[0]["analytics"] != first.pid
    assert said[0] == "actions, analytics ended (exit code 137); starting it again in 0.5 s"
    assert "runs again" in said[1]


def test_a_start_that_fails_is_said_and_tried_again() -> None:
    said: list[str] = []
    attempts = count(1)

    def start() -> FakeChild:
        if next(attempts) == 1:
            raise RuntimeMissing("java", "no such file")
        return FakeChild("kafka", [])

    supervisor = Supervisor(said.append, lambda: None)
    first = FakeChild("kafka", [])
    supervisor.adopt(["kafka"], start, first, stop_seconds=1)
    with watching(supervisor):
        first.die()
        eventually(lambda: supervisor.pids["kafka"] != first.pid, timeout_seconds=10, what="the second try")
    assert any("java does not run here" in line for line in said)
    assert any("in 1 s" in line for line in said)


def test_children_stop_in_reverse_order_and_the_servers_last() -> None:
    stopped: list[str] = []
    supervisor = Supervisor(lambda _: None, lambda: None)
    for name in ("postgres", "kafka", "actions", "processors", "ingress"):
        child = FakeChild(name, stopped)
        supervisor.adopt([name], lambda child=child: child, child, stop_seconds=1)  # type: ignore[misc]
    supervisor.stop_all(together=("kafka", "postgres"))
    assert stopped[:3] == ["ingress", "processors", "actions"]
    assert set(stopped[3:]) == {"kafka", "postgres"}
    assert supervisor.pids == {}


@pytest.mark.parametrize(("ends_in_time", "lines"), [(True, 0), (False, 1)])
def test_a_child_that_had_to_be_killed_is_named(ends_in_time: bool, lines: int) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append, lambda: None)
    child = FakeChild("processors", [], ends_in_time=ends_in_time)
    supervisor.adopt(["processors"], lambda: child, child, stop_seconds=4)
    supervisor.stop_all(together=())
    assert len(said) == lines
    assert all(line == "processors did not end within 4.0 s and was killed" for line in said)
