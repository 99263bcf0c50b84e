"""The data folder of the embedded server: made once, checked at every start."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from hookline.embedded.errors import ChildDidNotStart, DataFolderCorrupt, DataFolderForeign, DiskFull
from hookline.embedded.lock import LOCK_FILE
from hookline.embedded.postgres_user import ServerUser

SUPERUSER = "hookline"
CLUSTER = "cluster"
CLUSTER_BEING_MADE = "cluster.making"
PASSWORD_FILE = "password"  # noqa: S105 - a file's name
PORT_FILE = "port.json"
PID_FILE = "postgres.pid"
LOG_FILE = "postgres.log"
INITDB_SECONDS_MAX = 120.0


def check(data_dir: Path, programs: Path, user: ServerUser) -> None:
    """Raise DataFolderForeign or DataFolderCorrupt unless the folder is empty, half made or one of ours."""
    names = {path.name for path in data_dir.iterdir()} - {LOCK_FILE}
    if not names:
        return
    if PASSWORD_FILE not in names:
        raise DataFolderForeign(data_dir, ", ".join(sorted(names)[:3]))
    if CLUSTER not in names:
        return
    try:
        version = (data_dir / CLUSTER / "PG_VERSION").read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise DataFolderCorrupt(data_dir, f"{CLUSTER}/PG_VERSION is missing or not text") from error
    ours = user.run([str(programs / "postgres"), "--version"], timeout_seconds=INITDB_SECONDS_MAX).stdout
    if f" {version}." not in ours:
        raise DataFolderForeign(data_dir, f"data of Postgres {version}, while {ours.strip()} is installed")


def make_cluster(data_dir: Path, programs: Path, user: ServerUser) -> None:
    """initdb into a folder aside, renamed when complete, so that a killed run leaves nothing half made."""
    making = data_dir / CLUSTER_BEING_MADE
    if making.exists():
        shutil.rmtree(making)
    _write_password(data_dir)
    making.mkdir(mode=0o700)
    password_copy = making.with_name(f"{CLUSTER_BEING_MADE}.password")
    _write_private(password_copy, read_password(data_dir))
    user.own(making)
    user.own(password_copy)
    command = [str(programs / "initdb"), "-D", str(making), "-U", SUPERUSER, f"--pwfile={password_copy}"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command += ["--locale=C", "--no-instructions"]
    try:
        done = user.run(command, timeout_seconds=INITDB_SECONDS_MAX)
    except subprocess.TimeoutExpired as error:
        raise ChildDidNotStart("Postgres", f"initdb took over {INITDB_SECONDS_MAX:.0f} s", "") from error
    finally:
        password_copy.unlink(missing_ok=True)
    if done.returncode != 0:
        output = (done.stdout + done.stderr).strip()
        if "No space left on device" in output:
            raise DiskFull(data_dir)
        raise ChildDidNotStart("Postgres", "initdb failed", output)
    making.replace(data_dir / CLUSTER)


def _write_password(data_dir: Path) -> None:
    path = data_dir / PASSWORD_FILE
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(24))


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as target:
        target.write(text)


def read_password(data_dir: Path) -> str:
    return (data_dir / PASSWORD_FILE).read_text(encoding="ascii").strip()


def remembered_port(data_dir: Path) -> int | None:
    try:
        return int(json.loads((data_dir / PORT_FILE).read_text(encoding="utf-8"))["port"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def remember_port(data_dir: Path, port: int) -> None:
    (data_dir / PORT_FILE).write_text(json.dumps({"port": port}), encoding="utf-8")
