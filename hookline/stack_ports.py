"""The HTTP ports of a stack. A port belongs to one stack at a time, also while nothing listens on it yet.

Looking whether a port is free is not enough: two stacks that start together see the same free ports, and several
receivers may then share one (SO_REUSEPORT), each taking a part of the other's requests. So a chosen port is also held
by a lock file of this user, which the kernel lets go when the holder dies.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from hookline.embedded import ports
from hookline.embedded.errors import DataFolderInUse, PortInUse
from hookline.embedded.lock import FolderLock, lock_folder
from hookline.stack_folder import read_if_there, write_atomically

#: Processes that listen only to say how they are.
HEALTH_PURPOSES = ("processors", "actions")
PURPOSES = ("ingress", "management", *HEALTH_PURPOSES)
PREFERRED = {"ingress": 8080, "management": 8081, "processors": 8082, "actions": 8083}
_ATTEMPTS_MAX = 50


def reserve_ports(asked: Mapping[str, int | None], remembered_file: Path, held: ExitStack) -> dict[str, int]:
    """A port for each purpose, reserved until `held` is closed.

    Asked: a number (must be free), 0 (any free one) or None (the last run's, else the usual one, else any free one).
    Raises PortInUse.
    """
    remembered = _read(remembered_file)
    chosen: dict[str, int] = {}
    for purpose in PURPOSES:
        number = asked.get(purpose)
        if number:
            chosen[purpose] = _reserve_exactly(number, purpose, held)
        else:
            usual = [] if number == 0 else [PREFERRED[purpose]]
            candidates = [remembered[purpose], *usual] if purpose in remembered else usual
            chosen[purpose] = _reserve_any(candidates, held)
    write_atomically(remembered_file, json.dumps(chosen) + "\n")
    return chosen


def _reserve_exactly(number: int, purpose: str, held: ExitStack) -> int:
    if not _reserve(number, held):
        raise PortInUse(number, purpose)
    return number


def _reserve_any(candidates: list[int], held: ExitStack) -> int:
    for candidate in candidates:
        if _reserve(candidate, held):
            return candidate
    for _ in range(_ATTEMPTS_MAX):
        [candidate] = ports.pick_free(1)
        if _reserve(candidate, held):
            return candidate
    raise PortInUse(0, "no free port could be reserved")


def _reserve(number: int, held: ExitStack) -> bool:
    lock = _try_lock(number)
    if lock is None:
        return False
    if not ports.is_free(number):
        lock.release()
        return False
    held.enter_context(lock)
    return True


def _try_lock(number: int) -> FolderLock | None:
    try:
        return lock_folder(Path(tempfile.gettempdir()) / f"hookline-ports-{os.getuid()}" / str(number))
    except DataFolderInUse:
        return None


def _read(file: Path) -> dict[str, int]:
    try:
        members = json.loads(read_if_there(file) or "{}")
    except ValueError:
        return {}
    return {purpose: members[purpose] for purpose in PURPOSES if isinstance(members.get(purpose), int)}
