"""The data folder of a stack: what lies where, and the small files that only its owner may read."""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PRIVATE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class StackFolder:
    """`root` is absolute. Every member is a path below it."""

    root: Path

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def clickhouse(self) -> Path:
        return self.root / "clickhouse"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Pid files of the children that run."""
        return self.root / "run"

    @property
    def ready_file(self) -> Path:
        return self.root / "ready.json"

    @property
    def ports_file(self) -> Path:
        return self.root / "ports.json"

    @property
    def master_key_file(self) -> Path:
        return self.root / "secrets" / "master.key"

    @property
    def api_key_file(self) -> Path:
        return self.root / "secrets" / "admin-api-key"

    @property
    def admin_password_file(self) -> Path:
        """The first password of the demo tenant's admin; it may have another since."""
        return self.root / "secrets" / "admin-password"

    @property
    def operator_token_file(self) -> Path:
        """What `hookline sql` shows to the process that has the embedded engine open; another one at each start."""
        return self.root / "secrets" / "operator-token"

    @property
    def database_password_file(self) -> Path:
        """In libpq's own format, so that a DSN names the file and no environment holds the password."""
        return self.root / "secrets" / "postgres.pgpass"

    def make(self) -> None:
        """Create the folders that nobody else creates."""
        for folder in (self.logs, self.run):
            folder.mkdir(parents=True, exist_ok=True)
        self.master_key_file.parent.mkdir(mode=0o700, exist_ok=True)

    def log_file(self, roles: Sequence[str]) -> Path:
        return self.logs / f"{'-'.join(roles)}.log"

    def pid_file(self, roles: Sequence[str]) -> Path:
        return self.run / f"{'-'.join(roles)}.pid"


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by a file with mode 0600; a reader sees the old text or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE), "w") as file:
        file.write(text)
    partial.replace(path)


def read_if_there(path: Path) -> str | None:
    """The file's text without the newline at its end; None when there is no such file."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
