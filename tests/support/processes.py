"""Looking at processes from outside, and running a piece of code in a process that can be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil

from tests.support.wait import eventually


def is_gone(pid: int) -> bool:
    """True when no such process runs (a zombie does not run)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def parent_of(pid: int) -> int:
    return psutil.Process(pid).ppid()


def mentioning(text: str) -> list[int]:
    """Processes that have ``text`` somewhere in their command line."""
    return [
        int(process.info["pid"])
        for process in psutil.process_iter(["pid", "cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE and text in " ".join(process.info["cmdline"] or [])
    ]


def await_gone(*pids: int, timeout_seconds: float = 20) -> None:
    for pid in pids:
        eventually(partial(is_gone, pid), timeout_seconds=timeout_seconds, what=f"process {pid} to be gone")


@contextmanager
def python_process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process running ``code``; killed at the end if it still runs."""
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        # Not communicate(): what the process forked may hold the pipes open for ever.
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def next_line(process: subprocess.Popen[str]) -> str:
    """The process's next line of output; AssertionError with its errors when it ended instead."""
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline().strip()
    assert line, f"the process ended: {process.stderr.read()}"
    return line
