"""Finds processes that a run left behind, by a mark in their environment; ends them by pid and says so."""

from __future__ import annotations

import sys
import time

import psutil

GRACE_SECONDS = 5.0
POLL_SECONDS = 0.2


def marked(mark: str) -> list[psutil.Process]:
    """Running processes (not this one, nor those it runs under) whose environment holds NAME=VALUE `mark`."""
    name, _, value = mark.partition("=")
    own = {process.pid for process in [psutil.Process(), *psutil.Process().parents()]}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in own and process.environ().get(name) == value:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def main(mark: str) -> int:
    """Exit 0 when nothing with `mark` runs (after a short grace), else 1 with what was ended."""
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for process in left:
        try:
            print(f"left running: {process.pid} {' '.join(process.cmdline())[:160]}", file=sys.stderr)
            process.kill()
        except psutil.NoSuchProcess:
            continue
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
