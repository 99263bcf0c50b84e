"""Webhooks in the tables for the relay to publish, what it published, and relays to watch, stop and kill."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import dict_row

from infra.compacted import read_to_end
from infra.kafka import PolledProducer
from infra.migrations import migrate
from infra.settings import Settings
from infra.topics import CONFIGURATION
from infra.webhooks import webhook_key
from management.configuration.records import enqueue_change
from management.configuration.relay import ConfigurationRelay
from management.domain_events.relay import DomainEventRelay
from schemas.webhooks import WebhookConfig
from tests.support.analytics import make_topics
from tests.support.management import KnownTenant, make_tenant, management_settings
from tests.support.ports import own_port
from tests.support.wait import eventually

ROOT = Path(__file__).resolve().parents[2]
SEALED = "v1.000000000000.bm90IGEgc2VjcmV0"
READY_SECONDS = 120.0
_LOADERS = 2
AnyRelay = ConfigurationRelay | DomainEventRelay

_INSERT = (
    "INSERT INTO webhooks (tenant_id, id, slug, name, is_active, auth_config) "
    'VALUES (%s, %s, %s, %s, true, \'{"type": "hmac_sha256"}\')'
)
_INSERT_SECRET = "INSERT INTO webhook_secrets (tenant_id, webhook_id, slot, sealed) VALUES (%s, %s, 'current', %s)"
_CHANGE = "UPDATE webhooks SET version = version + 1, name = %s WHERE tenant_id = %s AND id = %s RETURNING version"
_DELETE = "DELETE FROM webhooks WHERE tenant_id = %s AND id = %s"


@dataclass(frozen=True, slots=True)
class Published:
    """A record of the topic: None for a webhook taken out of force."""

    offset: int
    webhook_id: UUID
    record: WebhookConfig | None


@dataclass
class Tables:
    """A tenant's webhooks, written as the database's owner; every change is a transaction of its own."""

    settings: Settings
    tenant: KnownTenant
    webhook_ids: list[UUID] = field(default_factory=list)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[dict[str, object]]]:
        dsn = self.settings.postgres.dsn.get_secret_value()
        with psycopg.connect(dsn, row_factory=dict_row) as connection:
            yield connection

    def add(self, slug: str) -> UUID:
        """A new webhook in its first version."""
        webhook_id = uuid.uuid4()
        with self.connection() as connection:
            connection.execute(_INSERT, (self.tenant.id, webhook_id, slug, slug))
            connection.execute(_INSERT_SECRET, (self.tenant.id, webhook_id, SEALED))
            enqueue_change(connection, self.tenant.id, webhook_id)
        self.webhook_ids.append(webhook_id)
        return webhook_id

    def change(self, webhook_id: UUID, name: str, *, commit: bool = True) -> int:
        """The webhook's next version under this name; the version. Not committed: as if it had never been."""
        with self.connection() as connection:
            row = connection.execute(_CHANGE, (name, self.tenant.id, webhook_id)).fetchone()
            enqueue_change(connection, self.tenant.id, webhook_id)
            if not commit:
                connection.rollback()
        assert row is not None
        return int(str(row["version"]))

    def delete(self, webhook_id: UUID) -> None:
        """The webhook is gone."""
        with self.connection() as connection:
            connection.execute(_DELETE, (self.tenant.id, webhook_id))

    def waiting(self) -> int:
        """Rows of the outbox."""
        with self.connection() as connection:
            row = connection.execute("SELECT count(*) AS rows FROM configuration_outbox").fetchone()
        assert row is not None
        return int(str(row["rows"]))

    def published(self) -> list[Published]:
        """Every record of the tenant's webhooks that the topic still holds, in its order."""
        found = []
        for message in read_to_end(self.settings.kafka, CONFIGURATION, client_id="relay-tests"):
            tenant_id, _, webhook_id = (message.key() or b"").decode().partition("/")
            if tenant_id == str(self.tenant.id):
                value = message.value()
                record = None if value is None else WebhookConfig.model_validate_json(value)
                found.append(Published(message.offset() or 0, UUID(webhook_id), record))
        return found

    def in_force(self) -> dict[UUID, WebhookConfig | None]:
        """The last record of each webhook."""
        return {entry.webhook_id: entry.record for entry in self.published()}

    def await_version(self, webhook_id: UUID, version: int | None, *, timeout_seconds: float = 60) -> None:
        """Return when the topic holds this version (None: when the webhook is out of force)."""

        def found() -> bool:
            record = self.in_force().get(webhook_id)
            return (None if record is None else record.version) == version

        eventually(found, timeout_seconds=timeout_seconds, what=f"version {version} of {webhook_id} on the topic")

    def write_by_hand(self, producer: PolledProducer, webhook_id: UUID, value: bytes | None) -> None:
        """A record that no relay wrote."""
        key = webhook_key(str(self.tenant.id), str(webhook_id)).encode()
        producer.produce(CONFIGURATION, key=key, value=value)


@dataclass
class ChangeLoad:
    """Changes webhooks as fast as it goes, one transaction in five rolled back, and keeps what was committed."""

    tables: Tables
    seed: int
    committed: dict[UUID, dict[int, str]] = field(default_factory=dict)
    rolled_back: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        self.committed = {webhook_id: {} for webhook_id in self.tables.webhook_ids}
        for share in range(_LOADERS):
            thread = threading.Thread(target=self._change, args=(share,))
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _change(self, share: int) -> None:
        randomness = random.Random(f"{self.seed}/{share}")
        own = self.tables.webhook_ids[share::_LOADERS]
        while not self._stopping.is_set():
            webhook_id, name = randomness.choice(own), uuid.uuid4().hex
            if randomness.random() < 0.2:
                self.tables.change(webhook_id, name, commit=False)
                self.rolled_back += 1
            else:
                self.committed[webhook_id][self.tables.change(webhook_id, name)] = name


def prepared(dsn: str, bootstrap: str, folder: Path) -> Tables:
    """A migrated database with one tenant, and the topics."""
    migrate(dsn)
    settings = management_settings(bootstrap, dsn, folder / "master.key")
    make_topics(settings)
    return Tables(settings, make_tenant(dsn, f"relay-{uuid.uuid4().hex[:8]}"))


@contextmanager
def running_relay(relay: AnyRelay, *, await_ready: bool = True) -> Iterator[AnyRelay]:
    """A relay in a thread of this process, stopped at the end."""
    relay.start()
    try:
        if await_ready:
            eventually(lambda: relay.health().ready, timeout_seconds=READY_SECONDS, what="the relay is ready")
        yield relay
    finally:
        relay.stop(20)


class ManagementProcess:
    """`hookline run management` on these settings, from `start` to `kill` and over again, on one port.

    `roles`: others beside it, by commas; `environment` is added to what it is given.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        roles: str = "management",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = own_port()
        self._log = folder / "management.log"
        self._environment = {
            **os.environ,
            "HOOKLINE_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
            "HOOKLINE_POSTGRES__DSN": settings.postgres.dsn.get_secret_value(),
            "HOOKLINE_MASTER_KEY_FILE": str(settings.master_key_file),
            "HOOKLINE_CLICKHOUSE__PATH": str(folder / "clickhouse"),
            "HOOKLINE_MANAGEMENT__PORT": str(self.port),
            **(environment or {}),
        }
        self._roles = roles
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "hookline", "run", self._roles]
            self.process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log, cwd=ROOT)

    def kill(self) -> None:
        """SIGKILL, wherever it is."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def await_refusal(self) -> str:
        """What it says when it ends by itself, as one that is not to start does."""
        assert self.process is not None
        assert self.process.wait(READY_SECONDS) != 0
        return self._log.read_text()

    def relay_state(self, relay: str = "relay") -> str | None:
        """`leader`, `standby`, `starting`; None while nothing answers. `relay`: that of the webhooks, or `events`."""
        try:
            content = httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).json()
        except (httpx.TransportError, json.JSONDecodeError):
            return None
        [details] = [part["details"] for part in content["parts"] if part["name"] == relay]
        return str(details["state"])

    def await_state(self, state: str, *, relay: str = "relay", timeout_seconds: float = READY_SECONDS) -> None:
        def reached() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self._log.read_text()
            return self.relay_state(relay) == state

        eventually(reached, timeout_seconds=timeout_seconds, what=f"the {relay} to be {state}")


@contextmanager
def management_process(settings: Settings, folder: Path, **others: Any) -> Iterator[ManagementProcess]:
    """A started one; killed at the end if it still runs. `others` are of `ManagementProcess`."""
    management = ManagementProcess(settings, folder, **others)
    management.start()
    try:
        yield management
    finally:
        if management.process is not None and management.process.poll() is None:
            management.process.send_signal(signal.SIGCONT)
            management.kill()
