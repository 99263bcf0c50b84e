"""The relay on real Postgres and Kafka: everything committed is published, nothing else, and never backwards."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.embedded.kafka import KafkaBroker
from hookline.embedded.postgres import PostgresServer
from infra.compacted import read_to_end
from infra.errors import KafkaUnavailableError
from infra.kafka import PolledProducer
from infra.topics import CONFIGURATION
from infra.transactions import FencedProducer, KeyedRecord
from management.configuration.relay import ConfigurationRelay
from tests.support.relay import Tables, prepared, running_relay
from tests.support.stack import new_database
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(600)

#: In a normal run; a soak run has ten.
_KILLS, _KILLS_SOAK = 5, 10
_WEBHOOKS = 12


@pytest.fixture
def tables(postgres: PostgresServer, kafka: KafkaBroker, tmp_path: Path) -> Iterator[Tables]:
    """A database of this test's own with one tenant; the topic is shared."""
    with new_database(postgres.dsn) as dsn:
        yield prepared(dsn, kafka.bootstrap, tmp_path)


def values_of(tables: Tables, key: bytes) -> list[bytes | None]:
    messages = read_to_end(tables.settings.kafka, CONFIGURATION, client_id="relay-tests")
    return [message.value() for message in messages if message.key() == key]


def test_a_change_is_published_as_it_was_committed_and_its_row_is_gone(tables: Tables) -> None:
    with running_relay(ConfigurationRelay(tables.settings)) as relay:
        webhook_id = tables.add("alerts")
        tables.await_version(webhook_id, 1)
        tables.change(webhook_id, "renamed")
        tables.await_version(webhook_id, 2)
        record = tables.in_force()[webhook_id]
        assert record is not None
        assert (record.name, record.slug, record.tenant_slug) == ("renamed", "alerts", tables.tenant.slug)
        eventually(lambda: tables.waiting() == 0, timeout_seconds=60, what="an empty outbox")
        health = relay.health()
        assert health.ready
        assert health.details["state"] == "leader"
        assert health.last_commit_at_us is not None


def test_a_deleted_webhook_is_taken_out_of_force_also_with_its_tenant(tables: Tables) -> None:
    first, second = tables.add("first"), tables.add("second")
    with running_relay(ConfigurationRelay(tables.settings)):
        tables.await_version(second, 1)
        tables.delete(first)
        tables.await_version(first, None)
        with tables.connection() as connection:
            connection.execute("DELETE FROM user_roles")
            connection.execute("DELETE FROM tenants WHERE id = %s", (tables.tenant.id,))
        tables.await_version(second, None)


def test_a_tenant_without_the_flag_has_no_active_webhook_on_the_topic(tables: Tables) -> None:
    webhook_id = tables.add("alerts")

    def is_active() -> bool | None:
        record = tables.in_force().get(webhook_id)
        return None if record is None else record.is_active

    with running_relay(ConfigurationRelay(tables.settings)):
        eventually(lambda: is_active() is True, timeout_seconds=60, what="an active webhook")
        for statement, expected in (
            ("UPDATE tenants SET inbound_webhooks_enabled = false", False),
            ("UPDATE tenants SET inbound_webhooks_enabled = true", True),
            ("UPDATE tenants SET entitlements = '{public_api}'", False),
        ):
            with tables.connection() as connection:
                connection.execute(statement.encode())
            eventually(lambda e=expected: is_active() is e, timeout_seconds=60, what=f"{statement} in force")  # type: ignore[misc]


def test_a_row_that_cannot_be_in_force_is_taken_out_and_holds_nothing_up(tables: Tables) -> None:
    broken, too_large, good = tables.add("broken"), tables.add("large"), tables.add("good")
    with running_relay(ConfigurationRelay(tables.settings)):
        tables.await_version(good, 1)
        with tables.connection() as connection:
            connection.execute("DELETE FROM webhook_secrets WHERE webhook_id = %s", (broken,))
            connection.execute(
                "UPDATE webhooks SET metadata = jsonb_build_object('text', repeat('x', 2000000)) WHERE id = %s",
                (too_large,),
            )
        for webhook_id in (broken, too_large, good):
            tables.change(webhook_id, "changed")
        tables.await_version(good, 2)
        tables.await_version(broken, None)
        tables.await_version(too_large, None)


def test_what_the_topic_lacks_or_has_too_much_is_put_right_at_the_beginning_of_a_lead(tables: Tables) -> None:
    kept, lost, changed = tables.add("kept"), tables.add("lost"), tables.add("changed")
    with running_relay(ConfigurationRelay(tables.settings)):
        tables.await_version(changed, 1)
    records = tables.in_force()
    unknown = uuid.uuid4()
    producer = PolledProducer(tables.settings.kafka, client_id="by-hand", ack_timeout_seconds=60)
    stale, foreign = records[changed], records[kept]
    assert stale is not None
    assert foreign is not None
    tables.write_by_hand(producer, lost, None)
    tables.write_by_hand(
        producer, changed, stale.model_copy(update={"name": "of a restored topic"}).model_dump_json().encode()
    )
    tables.write_by_hand(
        producer, unknown, foreign.model_copy(update={"webhook_id": str(unknown)}).model_dump_json().encode()
    )
    producer.produce(CONFIGURATION, key=b"no/webhook", value=b"{}")
    assert producer.close(60) == 0
    before = len(tables.published())
    with running_relay(ConfigurationRelay(tables.settings)):
        assert tables.in_force() == {**records, unknown: None}
        after = tables.published()[before:]
        assert values_of(tables, b"no/webhook")[-1] is None
    assert {entry.webhook_id for entry in after} == {lost, changed, unknown}, "what agreed was left alone"


def test_who_began_later_shuts_out_who_began_before(kafka: KafkaBroker, tables: Tables) -> None:
    def begin() -> FencedProducer:
        return FencedProducer(
            tables.settings.kafka, transactional_id=tables.tenant.slug, client_id="fence", timeout_seconds=30
        )

    key = f"{tables.tenant.id}/{uuid.uuid4()}".encode()
    first = begin()
    first.publish(CONFIGURATION, [KeyedRecord(key, None)])
    second = begin()
    with pytest.raises(KafkaUnavailableError):
        first.publish(CONFIGURATION, [KeyedRecord(key, b"{}")])
    second.publish(CONFIGURATION, [KeyedRecord(key, None)])
    assert all(entry.record is None for entry in tables.published())
    first.close()
    second.close()
