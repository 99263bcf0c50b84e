"""Run one command and make sure that it ends when the process that asked for it ends. Started by child.py as a script.

Two other ways were set aside. PR_SET_PDEATHSIG straight on the child fires when the *thread* that forked it ends, so a
server started from a thread pool would be killed at random, and macOS lacks it. A thread in the parent that stops its
children never runs after `kill -9`. So this small process stands between: it holds the read end of a pipe whose write
end only the parent has, and the kernel closes that end however the parent dies. It also compares its parent's pid once
a second, because a process forked (without exec) by the parent may hold the write end open. Should this process itself
be killed, PR_SET_PDEATHSIG ends the child on Linux; here that is safe, since only one thread exists.

Standard library only: it is run with `-I -S` to start fast and stay small.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

PARENT_CHECK_SECONDS = 1.0
PR_SET_PDEATHSIG = 1


class Order(NamedTuple):
    """The launcher's arguments, in the order of its command line."""

    parent_pid: int
    watch_descriptor: int
    report_descriptor: int
    stop_signal: int
    grace_seconds: float
    user_id: int  # -1: stay as we are
    group_id: int
    pid_file: Path


def parse(arguments: list[str]) -> tuple[Order, list[str]]:
    parent, watch, report, stop, grace, user, group, pid_file, *command = arguments
    order = Order(int(parent), int(watch), int(report), int(stop), float(grace), int(user), int(group), Path(pid_file))
    return order, command


def start(order: Order, command: list[str]) -> subprocess.Popen[bytes]:
    """Start the command in a process group of its own, as the ordered user."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None

    def die_with_launcher() -> None:
        if library is not None:
            library.prctl(PR_SET_PDEATHSIG, order.stop_signal, 0, 0, 0)

    other_user = order.user_id >= 0
    return subprocess.Popen(  # noqa: S603 - the command comes from our own code
        command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=die_with_launcher,
        user=order.user_id if other_user else None,
        group=order.group_id if other_user else None,
        extra_groups=[] if other_user else None,
    )


def wait(child: subprocess.Popen[bytes], order: Order, wake_descriptor: int) -> None:
    """Return when the child has ended, or when the parent is gone."""
    while child.poll() is None:
        readable, _, _ = select.select([order.watch_descriptor, wake_descriptor], [], [], PARENT_CHECK_SECONDS)
        if wake_descriptor in readable:
            os.read(wake_descriptor, 4096)
        if order.watch_descriptor in readable or os.getppid() != order.parent_pid:
            return


def stop(child: subprocess.Popen[bytes], order: Order) -> None:
    """Ask the child to end, wake it in case it is suspended, and kill it after the grace time."""
    if child.poll() is not None:
        return
    child.send_signal(order.stop_signal)
    child.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + order.grace_seconds
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    if child.poll() is None:
        child.kill()
    child.wait()


def sweep_group(group_id: int) -> None:
    """Kill what the child started and left behind in its own process group."""
    try:
        os.killpg(group_id, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def write_atomically(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="ascii")
    partial.replace(path)


def main(arguments: list[str]) -> int:
    order, command = parse(arguments)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    try:
        child = start(order, command)
    except OSError as error:
        os.write(order.report_descriptor, f"error {error}\n".encode())
        return 127
    write_atomically(order.pid_file, f"{child.pid}\n")
    os.write(order.report_descriptor, f"pid {child.pid}\n".encode())
    os.close(order.report_descriptor)
    wait(child, order, wake_read)
    stop(child, order)
    sweep_group(child.pid)
    order.pid_file.unlink(missing_ok=True)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
