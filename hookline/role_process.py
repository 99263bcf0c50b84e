"""A role (or several) as a child process of a stack: its command, its environment, its log."""

import os
import sys
from collections.abc import Mapping, Sequence

from hookline.embedded.child import ChildProcess, ChildSpecification, launch, stop_leftover
from hookline.stack_folder import StackFolder

_GRACE_SECONDS = 8.0


def start_role_process(folder: StackFolder, roles: Sequence[str], environment: Mapping[str, str]) -> ChildProcess:
    """Start `hookline run ROLES` on the folder; it ends when this process ends, however that happens.

    `environment` is added to our own; a member that is empty text is taken out of it.
    """
    merged = {name: value for name, value in {**os.environ, **environment}.items() if value}
    # -P: the folder we stand in is not searched for modules. The data folder among the arguments is what makes a
    # process that was left over recognisable.
    command = [sys.executable, "-P", "-m", "hookline", "run", ",".join(roles), "--data-dir", str(folder.root)]
    return launch(
        ChildSpecification(
            name=", ".join(roles),
            command=command,
            log_file=folder.log_file(roles),
            pid_file=folder.pid_file(roles),
            environment=merged,
            grace_seconds=_GRACE_SECONDS,
        )
    )


def stop_leftover_roles(folder: StackFolder) -> list[int]:
    """Stop role processes that a killed stack may have left on the folder; the pids of those that still ran."""
    found = [stop_leftover(file, str(folder.root)) for file in sorted(folder.run.glob("*.pid"))]
    return [pid for pid in found if pid is not None]
