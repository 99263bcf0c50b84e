"""A new master key under a running system: nothing stops, a broken-off rotation is gone on with, the old key ends."""

import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hookline.embedded.kafka import KafkaBroker
from hookline.embedded.postgres import PostgresServer
from hookline.master_key import SETTLE_SECONDS
from infra.migrations import migrate
from infra.secretbox import (
    MasterKeyFile,
    SecretBox,
    erasure_context,
    key_id,
    key_id_of,
    load_secret_box,
    webhook_context,
)
from infra.settings import Settings
from infra.webhooks import WebhookTable
from management.configuration.relay import ConfigurationRelay
from tests.support.analytics import make_topics
from tests.support.management import KnownTenant, make_tenant, management_settings
from tests.support.relay import running_relay
from tests.support.stack import new_database
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

ROOT = Path(__file__).resolve().parents[2]
WEBHOOKS = 700
KILLS = 6
SOUGHT = "ada@x.example"


class Installation:
    """Two tenants with many webhooks, each with a secret of its own; the oldest fifth has a previous one too."""

    def __init__(self, settings: Settings, tenants: tuple[KnownTenant, ...]) -> None:
        self.settings = settings
        assert settings.master_key_file is not None
        self.key_file = MasterKeyFile(settings.master_key_file)
        self.secrets: dict[tuple[str, str], list[bytes]] = {}
        box = load_secret_box(settings)
        with psycopg.connect(settings.postgres.dsn.get_secret_value()) as connection, connection.cursor() as cursor:
            for number in range(WEBHOOKS):
                tenant, webhook_id = tenants[number % len(tenants)], uuid.uuid4()
                values = [
                    f"{slot} {webhook_id}" for slot in (["current", "previous"] if number % 5 == 0 else ["current"])
                ]
                self.secrets[str(tenant.id), str(webhook_id)] = [value.encode() for value in values]
                cursor.execute(
                    "INSERT INTO webhooks (tenant_id, id, slug, name, is_active, auth_config) "
                    "VALUES (%s, %s, %s, 'n', true, '{\"signature_header\": \"X-Signature\"}')",
                    (tenant.id, webhook_id, f"w{number}"),
                )
                for value in values:
                    sealed = box.seal(value, context=webhook_context(str(tenant.id), str(webhook_id)))
                    cursor.execute(
                        "INSERT INTO webhook_secrets (tenant_id, webhook_id, slot, sealed) VALUES (%s, %s, %s, %s)",
                        (tenant.id, webhook_id, value.split(" ")[0], sealed),
                    )

            for tenant in tenants:
                self._add_erasure(cursor, box, tenant)

    def _add_erasure(self, cursor: psycopg.Cursor[Any], box: SecretBox, tenant: KnownTenant) -> None:
        """One that is in force: its value has to be found by the new key, too."""
        erasure_id = uuid.uuid4()
        sealed = box.seal(SOUGHT, context=erasure_context(str(tenant.id), str(erasure_id)))
        cursor.execute(
            "INSERT INTO erasures (tenant_id, id, kind, path, value_fingerprint, sealed_value, reason, asked_by, "
            "asked_at, in_force_until) VALUES (%s, %s, 'value', '$.a', 'f1.x', %s, 'r', '{}', now(), now())",
            (tenant.id, erasure_id, sealed),
        )

    def key_ids(self) -> set[str]:
        """The keys that the tables' secrets are sealed under."""
        sealed = "SELECT sealed FROM webhook_secrets UNION ALL SELECT sealed_value FROM erasures"
        with psycopg.connect(self.settings.postgres.dsn.get_secret_value()) as connection:
            return {key_id_of(row[0]) for row in connection.execute(sealed)}

    def sought(self) -> set[str]:
        """What the erasures look for, opened by the first key of the file."""
        box = SecretBox(self.key_file.read()[:1])
        with psycopg.connect(self.settings.postgres.dsn.get_secret_value()) as connection:
            rows = connection.execute("SELECT tenant_id, id, sealed_value FROM erasures").fetchall()
        return {box.open(row[2], context=erasure_context(str(row[0]), str(row[1]))) for row in rows}

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-m", "hookline", "keys", "rotate-master", "--json", *options]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOOKLINE_KAFKA__BOOTSTRAP": self.settings.kafka.bootstrap,
            "HOOKLINE_POSTGRES__DSN": self.settings.postgres.dsn.get_secret_value(),
            "HOOKLINE_MASTER_KEY_FILE": str(self.key_file.path),
        }

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*options),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=ROOT,
            check=False,
        )

    def let_time_pass(self, seconds: float = SETTLE_SECONDS + 1) -> None:
        """As if the key had been added so long ago."""
        at = time.time() - seconds
        os.utime(self.key_file.path, (at, at))


@pytest.fixture
def installation(postgres: PostgresServer, kafka: KafkaBroker, tmp_path: Path) -> Iterator[Installation]:
    with new_database(postgres.dsn) as dsn:
        migrate(dsn)
        settings = management_settings(kafka.bootstrap, dsn, tmp_path / "master.key")
        make_topics(settings)
        tenants = tuple(make_tenant(dsn, f"keys-{uuid.uuid4().hex[:8]}") for _ in range(2))
        yield Installation(settings, tenants)


@contextmanager
def reader(installation: Installation) -> Iterator[WebhookTable]:
    """What ingress and processors have: a table that knows the keys of its start."""
    table = WebhookTable(installation.settings.kafka, load_secret_box(installation.settings), client_id="reader")
    table.start()
    assert table.wait_ready(30)
    yield table
    table.stop()


def assert_opens_everything(table: WebhookTable, installation: Installation) -> None:
    for (tenant_id, webhook_id), values in installation.secrets.items():
        webhook = table.by_id(tenant_id, webhook_id)
        assert webhook is not None
        assert sorted(secret.value for secret in webhook.secrets) == sorted(values)


def under(table: WebhookTable, installation: Installation) -> set[str]:
    """The keys of what the reader has in force."""
    webhooks = [table.by_id(*key) for key in installation.secrets]
    return {key_id_of(s.sealed) for webhook in webhooks if webhook for s in webhook.config.auth_config.secrets}


def test_a_rotation_killed_at_random_points_ends_with_everything_under_the_new_key(installation: Installation) -> None:
    seed = int(os.environ.get("HOOKLINE_TEST_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"seed {seed}")  # noqa: T201  # shown when it fails
    randomness = random.Random(seed)
    [old] = installation.key_file.read()
    with running_relay(ConfigurationRelay(installation.settings)), reader(installation) as table:
        refused = table.refused
        assert_opens_everything(table, installation)
        for _ in range(KILLS):
            process = subprocess.Popen(
                installation.command(),
                env=installation.environment,
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(randomness.uniform(0.3, 2.5))
            process.kill()
            process.wait()
        done = installation.run()
        assert done.returncode == 0, done.stderr
        new, kept = installation.key_file.read()
        assert kept == old
        assert json.loads(done.stdout)["key_id"] == key_id(new)
        assert installation.key_ids() == {key_id(new)}
        eventually(
            lambda: under(table, installation) == {key_id(new)}, timeout_seconds=30, what="the new key everywhere"
        )
        assert_opens_everything(table, installation)
        assert table.refused == refused, "a reader that knew the old key only opened every record"

        installation.let_time_pass(0)  # the kills took some, and on a busy machine long enough
        early = installation.run("--drop-old")
        assert early.returncode == 1
        assert f"{SETTLE_SECONDS} s old" in early.stderr
        installation.let_time_pass()
        dropped = installation.run("--drop-old")
        assert dropped.returncode == 0, dropped.stderr
        assert installation.key_file.read() == [new]
        assert installation.sought() == {SOUGHT}
    with reader(installation) as table:
        assert_opens_everything(table, installation)
    assert json.loads(installation.run("--drop-old").stdout)["dropped"] == 0


def test_an_old_key_that_something_needs_is_not_dropped(installation: Installation) -> None:
    [old] = installation.key_file.read()
    with running_relay(ConfigurationRelay(installation.settings)):
        prepared = installation.run("--prepare")
        assert prepared.returncode == 0, prepared.stderr
        new, _ = installation.key_file.read()
        assert installation.key_ids() == {key_id(old)}
        installation.let_time_pass()
        refused = installation.run("--drop-old")
        assert refused.returncode == 1
        assert "run `hookline keys rotate-master` first" in refused.stderr
    with psycopg.connect(installation.settings.postgres.dsn.get_secret_value()) as connection:
        box = SecretBox([new, old])
        connection.execute("UPDATE erasures SET sealed_value = NULL, closed_at = now()")
        rows = connection.execute("SELECT tenant_id, webhook_id, slot, sealed FROM webhook_secrets").fetchall()
        for tenant_id, webhook_id, slot, sealed in rows:
            context = webhook_context(str(tenant_id), str(webhook_id))
            connection.execute(
                "UPDATE webhook_secrets SET sealed = %s WHERE webhook_id = %s AND slot = %s",
                (box.seal(box.open(sealed, context=context), context=context), webhook_id, slot),
            )
    unpublished = installation.run("--drop-old")
    assert unpublished.returncode == 1
    assert f"{WEBHOOKS} webhooks are still published with an old key" in unpublished.stderr
    assert installation.key_file.read() == [new, old]


def test_a_secret_that_no_key_opens_is_named_and_the_others_are_resealed(installation: Installation) -> None:
    stranger = SecretBox([bytes(32)]).seal("s", context="x")
    webhook_id = next(key[1] for key, values in installation.secrets.items() if len(values) == 1)
    with psycopg.connect(installation.settings.postgres.dsn.get_secret_value()) as connection:
        connection.execute("UPDATE webhook_secrets SET sealed = %s WHERE webhook_id = %s", (stranger, webhook_id))
    with running_relay(ConfigurationRelay(installation.settings)):
        done = installation.run()
    assert done.returncode == 1
    assert webhook_id in done.stderr
    new, _ = installation.key_file.read()
    assert installation.key_ids() == {key_id(new), key_id_of(stranger)}


def test_a_key_in_the_environment_cannot_be_rotated(installation: Installation) -> None:
    environment = installation.environment | {"HOOKLINE_MASTER_KEY": "A" * 43}
    command = installation.command()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert "HOOKLINE_MASTER_KEY_FILE" in done.stderr
