"""The webhook of a new data folder, and of one that an earlier release made."""

from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from hookline.demo_webhook import SLUG, build_demo_webhook, ensure_demo_webhook, find_webhook
from hookline.embedded.kafka import KafkaBroker
from hookline.seed import DEMO_WEBHOOK_ID, SeededTenant, seed_demo
from infra.kafka import PolledProducer
from infra.migrations import migrate
from infra.secretbox import SecretBox, load_secret_box
from infra.settings import Settings
from infra.webhooks import Webhook
from management.configuration.relay import ConfigurationRelay
from tests.support.analytics import make_topics
from tests.support.configuration import publish_webhook
from tests.support.management import management_settings
from tests.support.relay import running_relay

SECRET = "the secret of an earlier release"


@pytest.fixture
def settings(database_dsn: str, kafka: KafkaBroker, tmp_path: Path) -> Settings:
    migrate(database_dsn)
    made = management_settings(kafka.bootstrap, database_dsn, tmp_path / "master.key")
    make_topics(made)
    return made


@pytest.fixture
def secret_box(settings: Settings) -> SecretBox:
    return load_secret_box(settings)


@pytest.fixture
def tenant(database_dsn: str, settings: Settings) -> SeededTenant:
    return seed_demo(database_dsn)


def rows(dsn: str, table: str) -> list[dict[str, object]]:
    statement = psycopg.sql.SQL("SELECT * FROM {} WHERE webhook_id = %s").format(psycopg.sql.Identifier(table))
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        return connection.execute(statement, (DEMO_WEBHOOK_ID,)).fetchall()


def ensure(dsn: str, settings: Settings, secret_box: SecretBox) -> bool:
    return ensure_demo_webhook(dsn, settings.kafka, secret_box, seed_demo(dsn))


def in_force(settings: Settings, secret_box: SecretBox) -> Webhook | None:
    """After a relay had its turn."""
    with running_relay(ConfigurationRelay(settings)):
        pass
    return find_webhook(settings.kafka, secret_box, tenant_slug="demo", slug=SLUG)


def test_a_new_tenant_has_the_webhook_with_a_fresh_secret_and_its_first_version(
    database_dsn: str, settings: Settings, secret_box: SecretBox, tenant: SeededTenant
) -> None:
    assert ensure(database_dsn, settings, secret_box)
    [secret] = rows(database_dsn, "webhook_secrets")
    [version] = rows(database_dsn, "webhook_versions")
    assert (version["version"], version["change"]) == (1, "created")
    webhook = in_force(settings, secret_box)
    assert webhook is not None
    assert webhook.config.auth_config.secrets[0].sealed == secret["sealed"]
    assert len(webhook.secrets[0].value) >= 43
    assert webhook.secrets[0].value.decode() not in str(version)


def test_a_second_start_changes_nothing(database_dsn: str, settings: Settings, secret_box: SecretBox) -> None:
    assert ensure(database_dsn, settings, secret_box)
    before = rows(database_dsn, "webhook_secrets")
    assert ensure(database_dsn, settings, secret_box)
    assert rows(database_dsn, "webhook_secrets") == before
    assert len(rows(database_dsn, "configuration_outbox")) == 1


def test_what_an_earlier_release_kept_on_the_topic_alone_is_taken_over_with_its_secret(
    database_dsn: str, settings: Settings, secret_box: SecretBox, tenant: SeededTenant
) -> None:
    config = build_demo_webhook(secret_box, SECRET, tenant_id=tenant.tenant_id, tenant_slug=tenant.slug)
    producer = PolledProducer(settings.kafka, client_id="earlier-release", ack_timeout_seconds=10)
    publish_webhook(producer, config)
    producer.close(10)
    assert ensure(database_dsn, settings, secret_box)
    webhook = in_force(settings, secret_box)
    assert webhook is not None
    assert webhook.config == config
    assert [secret.value for secret in webhook.secrets] == [SECRET.encode()]


def test_a_webhook_that_was_deleted_stays_deleted(database_dsn: str, settings: Settings, secret_box: SecretBox) -> None:
    assert ensure(database_dsn, settings, secret_box)
    with psycopg.connect(database_dsn) as connection:
        connection.execute("DELETE FROM webhooks WHERE id = %s", (DEMO_WEBHOOK_ID,))
    assert not ensure(database_dsn, settings, secret_box)
    assert in_force(settings, secret_box) is None
