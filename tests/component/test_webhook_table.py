"""The table of webhooks over a real compacted topic."""

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from hookline.embedded.kafka import KafkaBroker, start_kafka
from infra.kafka import Outbox
from infra.secretbox import load_secret_box
from infra.topics import CONFIGURATION
from infra.webhooks import WebhookTable, webhook_key
from schemas.webhooks import WebhookConfig
from tests.support.ingress import SECRET, Publisher, publishing
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

LIVE_SECONDS = 1.0
ROUNDS = 5
WAIT_SECONDS = 30.0
#: More than one batch of the reader.
SUPERSEDED = 2_000


@pytest.fixture
def tenant(kafka: KafkaBroker) -> Iterator[Publisher]:
    with publishing(kafka.bootstrap) as publisher:
        yield publisher


@pytest.fixture
def table(kafka: KafkaBroker, tenant: Publisher) -> Iterator[WebhookTable]:
    yield from started(tenant)


def started(tenant: Publisher) -> Iterator[WebhookTable]:
    table = WebhookTable(tenant.settings.kafka, load_secret_box(tenant.settings), client_id="test-table")
    table.start()
    assert table.wait_ready(30)
    yield table
    table.stop()


def await_version(table: WebhookTable, config: WebhookConfig, version: int | None) -> None:
    def found() -> bool:
        webhook = table.by_id(config.tenant_id, config.webhook_id)
        return (webhook.config.version if webhook else None) == version

    eventually(found, timeout_seconds=WAIT_SECONDS, what=f"version {version} in force")


def write(tenant: Publisher, key: str, value: bytes) -> None:
    outbox = Outbox(tenant.producer)
    outbox.send(CONFIGURATION, key=key.encode(), value=value)
    outbox.wait(10)


def test_everything_published_before_the_start_is_there_when_it_is_ready(tenant: Publisher) -> None:
    configs = [tenant.publish(tenant.webhook(f"w{number}")) for number in range(50)]
    for table in started(tenant):
        for config in configs:
            webhook = table.find(config.tenant_slug, config.slug)
            assert webhook is not None
            assert webhook.config == config
            assert [secret.value for secret in webhook.secrets] == [SECRET.encode()]


def test_it_is_not_ready_before_it_has_read_everything(tenant: Publisher) -> None:
    table = WebhookTable(tenant.settings.kafka, load_secret_box(tenant.settings), client_id="test-table")
    assert not table.ready


def test_changes_and_deletions_are_in_force_within_a_second(table: WebhookTable, tenant: Publisher) -> None:
    changes: list[bool] = []
    table.on_change(lambda: changes.append(True))
    seconds: dict[int | None, list[float]] = {1: [], 2: [], None: []}

    def timed(config: WebhookConfig, version: int | None) -> None:
        began = time.monotonic()
        await_version(table, config, version)
        seconds[version].append(time.monotonic() - began)

    for _ in range(ROUNDS):
        config = tenant.publish(tenant.webhook())
        timed(config, 1)
        tenant.publish(config.model_copy(update={"version": 2}))
        timed(config, 2)
        tenant.delete(config)
        timed(config, None)
        assert table.find(config.tenant_slug, config.slug) is None
    assert all(median(of_one) < LIVE_SECONDS for of_one in seconds.values()), seconds
    assert len(changes) >= 3 * ROUNDS


def test_what_was_superseded_is_never_in_force_while_the_topic_is_read(tenant: Publisher) -> None:
    config = tenant.webhook()
    key = webhook_key(config.tenant_id, config.webhook_id)
    outbox = Outbox(tenant.producer)
    for version in range(1, SUPERSEDED + 2):
        value = config.model_copy(update={"version": version, "is_active": version <= SUPERSEDED}).model_dump_json()
        outbox.send(CONFIGURATION, key=key.encode(), value=value.encode())
    outbox.wait(30)
    table = WebhookTable(tenant.settings.kafka, load_secret_box(tenant.settings), client_id="test-table")
    seen: set[int | None] = set()

    def note() -> None:
        webhook = table.by_id(config.tenant_id, config.webhook_id)
        seen.add(None if webhook is None else webhook.config.version)

    table.on_change(note)
    table.start()
    assert table.wait_ready(30)
    eventually(lambda: seen, timeout_seconds=20, what="a change")
    table.stop()
    assert seen == {SUPERSEDED + 1}


def test_a_new_table_falls_back_on_the_record_before_one_that_it_cannot_use(tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    write(tenant, webhook_key(config.tenant_id, config.webhook_id), b"not json")
    for table in started(tenant):
        await_version(table, config, 1)
    tenant.delete(config)


def test_a_record_that_says_nothing_new_leaves_the_webhook_as_it_is(table: WebhookTable, tenant: Publisher) -> None:
    config, last = tenant.publish(tenant.webhook("a")), tenant.webhook("b")
    await_version(table, config, 1)
    before = table.by_id(config.tenant_id, config.webhook_id)
    tenant.publish(config)
    await_version(table, tenant.publish(last), 1)
    assert table.by_id(config.tenant_id, config.webhook_id) is before


def test_a_renamed_webhook_frees_its_slug_for_another(table: WebhookTable, tenant: Publisher) -> None:
    first = tenant.publish(tenant.webhook("old"))
    await_version(table, first, 1)
    tenant.publish(first.model_copy(update={"slug": "new", "version": 2}))
    second = tenant.publish(tenant.webhook("old"))
    await_version(table, second, 1)
    owners = {slug: table.find(tenant.tenant_slug, slug) for slug in ("old", "new")}
    assert {slug: owner.config.webhook_id for slug, owner in owners.items() if owner} == {
        "old": second.webhook_id,
        "new": first.webhook_id,
    }


def test_records_that_cannot_be_used_keep_the_last_good_version(table: WebhookTable, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    await_version(table, config, 1)
    key = webhook_key(config.tenant_id, config.webhook_id)
    stolen = tenant.webhook("stolen", secrets=config.auth_config.secrets)
    write(tenant, key, b"not json")
    write(tenant, key, b'{"tenant_id": "x"}')
    write(tenant, "another/key", config.model_dump_json().encode())
    write(tenant, webhook_key(stolen.tenant_id, stolen.webhook_id), stolen.model_dump_json().encode())
    eventually(lambda: table.refused == 4, timeout_seconds=20, what="four refusals")
    await_version(table, config, 1)
    assert table.find(tenant.tenant_slug, "stolen") is None, "a secret sealed for another webhook does not open"
    tenant.publish(config.model_copy(update={"version": 3}))
    await_version(table, config, 3)


def test_secrets_are_not_shown(table: WebhookTable, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    await_version(table, config, 1)
    webhook = table.find(config.tenant_slug, config.slug)
    assert webhook is not None
    assert SECRET not in repr(webhook) + repr(webhook.secrets) + str(webhook)


def test_it_reads_on_after_the_broker_was_restarted(tmp_path: Path) -> None:
    with start_kafka(tmp_path / "kafka") as broker:
        port = broker.port
        with publishing(broker.bootstrap) as tenant:
            config = tenant.publish(tenant.webhook())
            for table in started(tenant):
                broker.stop()
                assert table.find(config.tenant_slug, config.slug) is not None
                with start_kafka(tmp_path / "kafka", port=port):
                    tenant.publish(config.model_copy(update={"version": 2}))
                    await_version(table, config, 2)
