"""The ready file: where a running stack's parts are. It is there exactly while the stack is ready for work."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from hookline.errors import NotRunningError
from hookline.stack_folder import StackFolder, read_if_there, write_atomically


class ReadyFile(BaseModel):
    """Members of the ready file. It holds secrets (API key, database owner), so its mode is 0600.

    `pids` has every role and the servers (`kafka`, `postgres`); roles that share a process have the same pid. `pid` is
    the stack's own process: SIGTERM there stops everything. `postgres_dsn` is the owner's, above row-level security.
    `clickhouse` is a DSN, or the folder of the embedded engine, which only its one process may open.
    `ready_urls` answer 200 while the part of that name is ready.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ingress_url: str
    management_url: str
    webhook_url: str
    kafka_bootstrap: str
    postgres_dsn: str
    clickhouse: str
    tenant_slug: str
    admin_api_key: str
    master_key_file: Path | None
    data_dir: Path
    pid: int
    pids: dict[str, int]
    ready_urls: dict[str, str]

    def write(self, path: Path) -> None:
        """Atomically, mode 0600."""
        write_atomically(path, self.model_dump_json(indent=2) + "\n")


def read_ready_file(data_dir: Path) -> ReadyFile:
    """The ready file of the stack on `data_dir`. Raises NotRunningError when there is none."""
    path = StackFolder(data_dir.absolute()).ready_file
    text = read_if_there(path)
    if text is None:
        raise NotRunningError(f"no stack is ready on {data_dir}: start one with `hookline up --data-dir {data_dir}`")
    try:
        return ReadyFile.model_validate_json(text)
    except ValidationError as error:
        raise NotRunningError(f"{path} is not a ready file of this release: start the stack again") from error
