"""The relay on real Postgres and Kafka: everything committed is published, nothing else, and never backwards."""

import os
import random
import shutil
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from hookline.embedded.kafka import KafkaBroker, start_kafka
from hookline.embedded.postgres import PostgresServer, start_postgres
from infra.compacted import read_to_end
from infra.errors import KafkaUnavailableError
from infra.kafka import PolledProducer
from infra.migrations import migrate
from infra.settings import PostgresSettings
from infra.topics import CONFIGURATION
from infra.transactions import FencedProducer
from tests.support.analytics import make_topics
from tests.support.management import make_tenant, management_settings
from tests.support.relay import ChangeLoad, Tables, management_process, running_relay
from tests.support.running_stack import new_stack_folder
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


def prepared(dsn: str, bootstrap: str, folder: Path) -> Tables:
    migrate(dsn)
    settings = management_settings(bootstrap, dsn, folder / "master.key")
    make_topics(settings)
    return Tables(settings, make_tenant(dsn, f"relay-{uuid.uuid4().hex[:8]}"))


def values_of(tables: Tables, key: bytes) -> list[bytes | None]:
    messages = read_to_end(tables.settings.kafka, CONFIGURATION, client_id="relay-tests")
    return [message.value() for message in messages if message.key() == key]


def test_a_change_is_published_as_it_was_committed_and_its_row_is_gone(tables: Tables) -> None:
    with running_relay(tables.settings) as relay:
        webhook_id = tables.add("alerts")
        tables.await_version(webhook_id, 1)
        tables.change(webhook_id, "renamed")
        tables.await_version(webhook_id, 2)
        record = tables.in_force()[webhook_id]
        assert record is not None
        assert (record.name, record.slug, record.tenant_slug) == ("renamed", "alerts", tables.tenant.slug)
        eventually(lambda: tables.waiting() == 0, timeout_seconds=10, what="an empty outbox")
        health = relay.health()
        assert health.ready
        assert health.details["state"] == "leader"
        assert health.last_commit_at_us is not None


def test_a_deleted_webhook_is_taken_out_of_force_also_with_its_tenant(tables: Tables) -> None:
    first, second = tables.add("first"), tables.add("second")
    with running_relay(tables.settings):
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

    with running_relay(tables.settings):
        eventually(lambda: is_active() is True, timeout_seconds=30, what="an active webhook")
        for statement, expected in (
            ("UPDATE tenants SET inbound_webhooks_enabled = false", False),
            ("UPDATE tenants SET inbound_webhooks_enabled = true", True),
            ("UPDATE tenants SET entitlements = '{public_api}'", False),
        ):
            with tables.connection() as connection:
                connection.execute(statement.encode())
            eventually(lambda e=expected: is_active() is e, timeout_seconds=10, what=f"{statement} in force")  # type: ignore[misc]


def test_a_row_that_cannot_be_in_force_is_taken_out_and_holds_nothing_up(tables: Tables) -> None:
    broken, too_large, good = tables.add("broken"), tables.add("large"), tables.add("good")
    with running_relay(tables.settings):
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
    with running_relay(tables.settings):
        tables.await_version(changed, 1)
    records = tables.in_force()
    unknown = uuid.uuid4()
    producer = PolledProducer(tables.settings.kafka, client_id="by-hand", ack_timeout_seconds=10)
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
    assert producer.close(10) == 0
    before = len(tables.published())
    with running_relay(tables.settings):
        assert tables.in_force() == {**records, unknown: None}
        after = tables.published()[before:]
        assert values_of(tables, b"no/webhook")[-1] is None
    assert {entry.webhook_id for entry in after} == {lost, changed, unknown}, "what agreed was left alone"


def test_who_began_later_shuts_out_who_began_before(kafka: KafkaBroker, tables: Tables) -> None:
    def begin() -> FencedProducer:
        return FencedProducer(
            tables.settings.kafka, transactional_id=tables.tenant.slug, client_id="fence", timeout_seconds=10
        )

    key = f"{tables.tenant.id}/{uuid.uuid4()}".encode()
    first = begin()
    first.publish(CONFIGURATION, [(key, None)])
    second = begin()
    with pytest.raises(KafkaUnavailableError):
        first.publish(CONFIGURATION, [(key, b"{}")])
    second.publish(CONFIGURATION, [(key, None)])
    assert all(entry.record is None for entry in tables.published())
    first.close()
    second.close()


def test_of_two_managements_one_leads_and_the_other_takes_over_when_it_dies_or_stands_still(
    tables: Tables, tmp_path: Path
) -> None:
    webhook_id = tables.add("alerts")
    with management_process(tables.settings, tmp_path / "one") as one:
        one.await_state("leader")
        with management_process(tables.settings, tmp_path / "two") as two:
            two.await_state("standby")
            assert one.relay_state() == "leader"
            one.kill()
            two.await_state("leader")
            tables.change(webhook_id, "after the death")
            tables.await_version(webhook_id, 2)
            one.start()
            one.await_state("standby")
            os.kill(two.pid, signal.SIGSTOP)
            one.await_state("leader")
            tables.change(webhook_id, "while it stood still")
            tables.await_version(webhook_id, 3)
            os.kill(two.pid, signal.SIGCONT)
            two.await_state("standby")
            tables.change(webhook_id, "afterwards")
            tables.await_version(webhook_id, 4)
    versions = [entry.record.version for entry in tables.published() if entry.record is not None]
    assert versions == sorted(versions)


def test_it_goes_on_where_it_was_when_the_broker_was_away(postgres: PostgresServer, tmp_path: Path) -> None:
    with start_kafka(tmp_path / "kafka") as broker, new_database(postgres.dsn) as dsn:
        tables = prepared(dsn, broker.bootstrap, tmp_path)
        webhook_id = tables.add("alerts")
        with running_relay(tables.settings) as relay:
            tables.await_version(webhook_id, 1)
            broker.stop()
            for number in range(5):
                tables.change(webhook_id, f"change {number}")
            eventually(lambda: not relay.health().ready, timeout_seconds=60, what="the relay to notice")
            assert any("Kafka" in reason for reason in relay.health().reasons)
            with start_kafka(tmp_path / "kafka", port=broker.port):
                tables.await_version(webhook_id, 6, timeout_seconds=60)
                eventually(lambda: relay.health().ready, timeout_seconds=30, what="the relay to be ready again")


def test_it_goes_on_where_it_was_when_postgres_was_away(kafka: KafkaBroker) -> None:
    folder = new_stack_folder().parent
    try:
        with start_postgres(folder / "postgres") as server:
            tables = prepared(server.dsn, kafka.bootstrap, folder)
            webhook_id = tables.add("alerts")
            with running_relay(tables.settings) as relay:
                tables.await_version(webhook_id, 1)
                server.stop()
                eventually(lambda: not relay.health().ready, timeout_seconds=30, what="the relay to notice")
                with start_postgres(folder / "postgres", port=server.port):
                    tables.change(webhook_id, "after the restart")
                    tables.await_version(webhook_id, 2, timeout_seconds=60)
                    eventually(lambda: relay.health().ready, timeout_seconds=30, what="the relay to be ready again")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_without_the_right_to_relay_it_says_so(tables: Tables) -> None:
    login = f"login_{uuid.uuid4().hex[:8]}"
    with tables.connection() as connection:
        connection.execute(
            psycopg.sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x' IN ROLE hookline_service").format(
                psycopg.sql.Identifier(login)
            )
        )
    dsn = psycopg.conninfo.make_conninfo(tables.settings.postgres.dsn.get_secret_value(), user=login, password="x")
    postgres = PostgresSettings(dsn=SecretStr(dsn))
    with running_relay(tables.settings.model_copy(update={"postgres": postgres}), await_ready=False) as relay:
        reasons = eventually(lambda: relay.health().reasons, timeout_seconds=30, what="a reason")
        eventually(lambda: "hookline_relay" in str(relay.health().reasons), timeout_seconds=30, what=f"not {reasons}")


@pytest.mark.parametrize("kills", [_KILLS, pytest.param(_KILLS_SOAK, marks=pytest.mark.soak)])
def test_kills_under_change_load_lose_no_committed_change_and_publish_no_other(
    tables: Tables, tmp_path: Path, kills: int
) -> None:
    seed = int(os.environ.get("HOOKLINE_TEST_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"seed {seed}")  # noqa: T201  # shown when it fails
    randomness = random.Random(seed)
    for number in range(_WEBHOOKS):
        tables.add(f"hook-{number}")
    load = ChangeLoad(tables, seed)
    with management_process(tables.settings, tmp_path / "management") as management:
        load.start()
        try:
            management.await_state("leader")
            for _ in range(kills):
                time.sleep(randomness.uniform(0.05, 4.0))  # a random point, while it starts too
                management.kill()
                management.start()
        finally:
            load.stop()
        eventually(lambda: tables.waiting() == 0, timeout_seconds=60, what="an empty outbox")
    published = tables.published()
    assert load.rolled_back > 0
    for webhook_id, committed in load.committed.items():
        records = [entry.record for entry in published if entry.webhook_id == webhook_id]
        versions = [record.version for record in records if record is not None]
        assert len(versions) == len(records)
        assert versions == sorted(versions), "an older state after a newer one"
        assert versions[-1] == max(committed, default=1)
        assert all(r.name == committed[r.version] for r in records if r is not None and r.version > 1)
    changes = sum(map(len, load.committed.values()))
    print(f"{changes} changes, {load.rolled_back} rolled back, {len(published)} records")  # noqa: T201
