"""A child process cannot outlive the one that started it, whichever way that one ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from hookline.embedded.child import ChildProcess, ChildSpecification, launch, stop_leftover
from hookline.embedded.errors import RuntimeMissing
from tests.support.processes import await_gone, is_gone, next_line, parent_of, python_process
from tests.support.wait import eventually

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
WITH_GRANDCHILD = (
    "import subprocess, sys, time; sleeper = [sys.executable, '-c', 'import time; time.sleep(600)'];"
    "grandchild = subprocess.Popen(sleeper); print('up', grandchild.pid, flush=True); time.sleep(600)"
)
PARENT = """
import sys, time
from pathlib import Path
from tests.integration.test_embedded_child import start
child = start(Path(sys.argv[1]), sys.argv[2])
print(child.pid, flush=True)
time.sleep(600)
"""
FORKING_PARENT = PARENT.replace(
    "time.sleep(600)", "import os\nfork = os.fork()\nif fork: print(fork, flush=True)\ntime.sleep(600)"
)


def start(folder: Path, code: str, *, grace_seconds: float = 5.0) -> ChildProcess:
    command = [sys.executable, "-c", code]
    child = launch(
        ChildSpecification("test", command, folder / "child.log", folder / "child.pid", grace_seconds=grace_seconds)
    )
    eventually(lambda: "up" in child.log_tail(), timeout_seconds=60, what="the child to be up")
    return child


def test_a_stopped_child_is_gone_and_so_is_its_launcher(tmp_path: Path) -> None:
    child = start(tmp_path, SLEEPER)
    launcher = parent_of(child.pid)
    assert child.alive()
    assert child.stop(timeout_seconds=30)
    assert child.exit_code == 128 + signal.SIGTERM
    assert is_gone(child.pid)
    assert is_gone(launcher)
    assert not (tmp_path / "child.pid").exists()
    assert child.stop(), "stopping twice is harmless"


def test_a_child_that_ignores_the_stop_signal_is_killed_after_the_deadline(tmp_path: Path) -> None:
    child = start(tmp_path, DEAF)
    assert not child.stop(timeout_seconds=0.2)
    assert child.exit_code == 128 + signal.SIGKILL
    assert is_gone(child.pid)


def test_a_suspended_child_can_be_stopped(tmp_path: Path) -> None:
    child = start(tmp_path, SLEEPER)
    child.suspend()
    assert child.stop(timeout_seconds=30)


def test_a_child_that_ends_by_itself_is_seen_as_ended_with_its_code_and_output(tmp_path: Path) -> None:
    child = start(tmp_path, "import sys; print('up and out', flush=True); sys.exit(7)")
    assert child.wait(timeout_seconds=30)
    assert not child.alive()
    assert child.exit_code == 7
    assert child.log_tail() == "up and out"


def test_a_program_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissing, match="/no/such/program"):
        launch(ChildSpecification("test", ["/no/such/program"], tmp_path / "log", tmp_path / "pid"))


@pytest.mark.parametrize("code", [SLEEPER, DEAF], ids=["willing", "deaf"])
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path, code: str) -> None:
    with python_process(PARENT, str(tmp_path), code) as parent:
        pid = int(next_line(parent))
        launcher = parent_of(pid)
        parent.send_signal(signal.SIGKILL)
    await_gone(pid, launcher)
    assert not (tmp_path / "child.pid").exists()


def test_a_suspended_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    with python_process(PARENT, str(tmp_path), SLEEPER) as parent:
        pid = int(next_line(parent))
        os.kill(pid, signal.SIGSTOP)
        parent.send_signal(signal.SIGKILL)
    await_gone(pid)


def test_a_process_forked_by_the_parent_does_not_keep_the_child_alive(tmp_path: Path) -> None:
    """The fork inherits the pipe that the launcher watches, so the pipe alone would not tell."""
    with python_process(FORKING_PARENT, str(tmp_path), SLEEPER) as parent:
        pid = int(next_line(parent))
        fork = int(next_line(parent))
        try:
            parent.send_signal(signal.SIGKILL)
            await_gone(pid)
            assert not is_gone(fork)
        finally:
            os.kill(fork, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
def test_a_child_ends_when_only_its_launcher_is_killed(tmp_path: Path) -> None:
    child = start(tmp_path, SLEEPER)
    os.kill(parent_of(child.pid), signal.SIGKILL)
    await_gone(child.pid)


def test_a_child_started_by_a_thread_outlives_the_thread(tmp_path: Path) -> None:
    started: list[ChildProcess] = []
    thread = threading.Thread(target=lambda: started.append(start(tmp_path, SLEEPER)))
    thread.start()
    thread.join()
    [child] = started
    assert not child.wait(timeout_seconds=1.5), "the launcher has looked at its parent at least once by now"
    assert child.stop()


def test_what_a_killed_child_had_started_is_swept(tmp_path: Path) -> None:
    child = start(tmp_path, WITH_GRANDCHILD)
    grandchild = int(child.log_tail().split()[1])
    assert not is_gone(grandchild)
    child.kill()
    await_gone(grandchild)


def test_a_leftover_is_stopped_only_when_the_pid_is_still_its_own(tmp_path: Path) -> None:
    child = start(tmp_path, SLEEPER)
    pid_file = tmp_path / "other.pid"
    pid_file.write_text(f"{child.pid}\n")
    assert stop_leftover(pid_file, "--some-other-program") is None
    assert child.alive()
    pid_file.write_text(f"{child.pid}\n")
    assert stop_leftover(pid_file, SLEEPER) == child.pid
    assert is_gone(child.pid)
    assert not pid_file.exists()
    assert child.wait(timeout_seconds=30)


def test_a_leftover_that_ignores_the_stop_signal_is_killed(tmp_path: Path) -> None:
    child = start(tmp_path, DEAF)
    assert stop_leftover(tmp_path / "child.pid", DEAF, timeout_seconds=0.2) == child.pid
    assert child.wait(timeout_seconds=30)


@pytest.mark.parametrize("content", [None, "", "not a pid\n"])
def test_without_a_readable_pid_there_is_no_leftover(tmp_path: Path, content: str | None) -> None:
    pid_file = tmp_path / "child.pid"
    if content is not None:
        pid_file.write_text(content)
    assert stop_leftover(pid_file, "anything") is None
