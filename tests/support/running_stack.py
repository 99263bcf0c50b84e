"""A whole stack (`hookline up`) as a subprocess, with what an end-to-end test needs of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from psycopg.rows import dict_row

from hookline.configuration import settings_of_stack
from hookline.demo_webhook import SLUG, find_webhook
from hookline.ready_file import ReadyFile
from hookline.signing import Answer, Sender, sign
from infra.secretbox import load_secret_box
from infra.webhooks import Webhook
from tests.support.wait import eventually

START_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 15.0


class RunningStack:
    """A stack that is ready. `ready` is its ready file, read anew each time: a restarted child has a new pid."""

    def __init__(self, process: subprocess.Popen[bytes], data_dir: Path, output: Path) -> None:
        self.process = process
        self.data_dir = data_dir
        self._output = output
        self._webhook: Webhook | None = None

    @property
    def ready(self) -> ReadyFile:
        return ReadyFile.model_validate_json((self.data_dir / "ready.json").read_text())

    @property
    def pids(self) -> Mapping[str, int]:
        """Role (or `kafka`, `postgres`) → pid."""
        return self.ready.pids

    def output(self) -> str:
        """What `hookline up` has printed so far."""
        return self._output.read_text()

    def process_tree(self) -> list[int]:
        """The stack's own process and everything below it."""
        own = psutil.Process(self.process.pid)
        return [own.pid, *(child.pid for child in own.children(recursive=True))]

    def kill(self, role: str) -> int:
        """SIGKILL to the process of a role, `kafka` or `postgres`; the pid that died."""
        pid = self.pids[role]
        os.kill(pid, signal.SIGKILL)
        return pid

    def await_restarted(self, role: str, old_pid: int, *, timeout_seconds: float = 60) -> int:
        """The new pid of a role whose process had died, once that part is ready again."""

        def new_pid() -> int | None:
            pid = self.pids.get(role)
            return pid if pid not in (None, old_pid) and self.is_ready(role) else None

        found = eventually(new_pid, timeout_seconds=timeout_seconds, what=f"{role} to be ready again")
        assert found is not None
        return found

    def is_ready(self, role: str) -> bool:
        """What the process of a role says of itself (a server of the stack has no such page: True)."""
        return not self.unready(role)

    def unready(self, role: str) -> list[str]:
        """The parts in the process of a role that are not ready, each with its reasons; empty: all are."""
        url = self.ready.ready_urls.get("management" if role == "analytics" else role)
        if url is None:
            return []
        try:
            answer = httpx.get(url, timeout=5, trust_env=False)
        except httpx.TransportError as error:
            return [f"{role}: {type(error).__name__}"]
        if answer.status_code == 200:
            return []
        return [f"{part['name']}: {'; '.join(part['reasons'])}" for part in answer.json()["parts"] if not part["ready"]]

    def await_ready(self, role: str, *, timeout_seconds: float) -> None:
        """Fails with the parts that are not ready, and why."""
        last: list[list[str]] = [[]]

        def ready() -> bool:
            last[0] = self.unready(role)
            return not last[0]

        try:
            eventually(ready, timeout_seconds=timeout_seconds, what=f"{role} to be ready")
        except AssertionError as error:
            raise AssertionError(f"{error}: {last[0]}") from None

    def status(self) -> str:
        """What `hookline status` says, for the message of a failure."""
        command = [sys.executable, "-m", "hookline", "status", "--data-dir", str(self.data_dir)]
        root = Path(__file__).resolve().parents[2]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False).stdout

    @contextmanager
    def postgres(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """The owner's connection, above row-level security, in autocommit."""
        with psycopg.connect(self.ready.postgres_dsn, autocommit=True, row_factory=dict_row) as connection:
            yield connection

    def count(self, table: str) -> int:
        """Rows of a table, all tenants."""
        statement = psycopg.sql.SQL("SELECT count(*) AS rows FROM {}").format(psycopg.sql.Identifier(table))
        with self.postgres() as connection:
            row = connection.execute(statement).fetchone()
        assert row is not None
        return int(row["rows"])

    def management(self) -> httpx.Client:
        """A client of the management API with the demo tenant's key: `get("/deliveries")`. Close it when done."""
        ready = self.ready
        return httpx.Client(
            base_url=f"{ready.management_url}/api/v1",
            headers={"Authorization": f"Bearer {ready.admin_api_key}"},
            timeout=20,
            trust_env=False,
        )

    def webhook(self) -> Webhook:
        """The webhook `rmm-alerts` with its secret in the clear."""
        if self._webhook is None:
            ready = self.ready
            settings = settings_of_stack(ready)
            secret_box = load_secret_box(settings)
            self._webhook = find_webhook(settings.kafka, secret_box, tenant_slug=ready.tenant_slug, slug=SLUG)
        assert self._webhook is not None
        return self._webhook

    def sender(self) -> Callable[[bytes], Answer]:
        """Sends signed bodies to `rmm-alerts` over one kept connection. For one thread; raises NotRunningError."""
        sender, webhook = Sender(self.ready.webhook_url), self.webhook()
        return lambda body: sender.send(body, sign(webhook, body))

    def send(self, body: bytes) -> Answer:
        """One signed request to `rmm-alerts`."""
        return self.sender()(body)

    def stop(self, *, timeout_seconds: float = STOP_SECONDS_MAX) -> float:
        """SIGTERM, and the seconds until the stack had ended. Fails when it takes longer or ends with an error."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout_seconds)
        assert code == 0, f"hookline up ended with {code}:\n{self.output()}"
        return time.monotonic() - began

    def kill_supervisor(self) -> None:
        """SIGKILL to `hookline up` itself; its children then end by themselves."""
        self.process.kill()
        self.process.wait(10)


#: Whoever is killed is missed after six seconds and not fifteen: nothing else waits so often here.
_SHORT_SESSIONS = {
    "HOOKLINE_PROCESSORS__SESSION_TIMEOUT_SECONDS": "6",
    "HOOKLINE_ACTIONS__SESSION_TIMEOUT_SECONDS": "6",
    "HOOKLINE_ANALYTICS__SESSION_TIMEOUT_SECONDS": "6",
    "HOOKLINE_HEALTH__STANDSTILL_SECONDS_MAX": "40",
}


@contextmanager
def running_stack(data_dir: Path, *options: str, **environment: str) -> Iterator[RunningStack]:
    """`hookline up` on `data_dir` with free ports, from its ready file to its end.

    `options` are added to the command line, `environment` to ours: `running_stack(d, HOOKLINE_INGRESS__WORKERS="2")`.
    As root the folder must not lie below pytest's `tmp_path`, which Postgres's user cannot enter; `stack_folder` or
    `new_stack_folder()` will do.
    """
    output = data_dir.with_name(f"{data_dir.name}.up.log")
    output.parent.mkdir(parents=True, exist_ok=True)
    ports = ["--ingress-port", "0", "--management-port", "0"]
    command = [sys.executable, "-m", "hookline", "up", "--data-dir", str(data_dir), *ports, *options]
    with output.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={**os.environ, **_SHORT_SESSIONS, **environment},
            cwd=Path(__file__).resolve().parents[2],
            start_new_session=True,
        )
    stack = RunningStack(process, data_dir, output)
    try:
        _await_ready(stack)
        yield stack
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(2 * STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                stack.kill_supervisor()


def new_stack_folder() -> Path:
    """A new folder that any user may enter; removing it is the caller's matter."""
    return Path(tempfile.mkdtemp(prefix="hookline-test-")) / "stack"


def _await_ready(stack: RunningStack) -> None:
    def ready() -> bool:
        assert stack.process.poll() is None, f"hookline up ended:\n{stack.output()}"
        return (stack.data_dir / "ready.json").exists()

    # A file of an earlier run is there until the new run has begun: it names another process.
    eventually(
        lambda: ready() and stack.ready.pid == stack.process.pid,
        timeout_seconds=START_SECONDS_MAX,
        what="the ready file",
    )
