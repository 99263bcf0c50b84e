"""What differs between the embedded servers and those people deploy, on the deployed ones: in containers.

The embedded ClickHouse is a library and not a server; logins of Postgres are not superusers; the broker's image brings
a start of its own.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from confluent_kafka import Consumer
from psycopg import errors, sql

from infra import clickhouse as clickhouse_module
from infra import migrations
from infra.clickhouse import ClickHouse
from infra.errors import ClickHouseUnavailableError
from infra.kafka import Outbox, PolledProducer, admin_client, consumer_properties
from infra.postgres import open_pool, set_tenant
from infra.settings import ClickHouseSettings, KafkaSettings, PostgresSettings
from infra.topics import RECEIVED, apply_topics, diff_topics, load_topics
from tests.support.containers import clickhouse_container, kafka_container, postgres_container
from tests.support.stack import new_database
from tests.support.wait import eventually

# The first start of a container may have to fetch its image.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

PASSWORD = secrets.token_urlsafe(16)
CLIENT_ID = "docker-tests"


@pytest.fixture(scope="module")
def kafka_settings(docker_engine: str) -> Iterator[KafkaSettings]:
    with kafka_container() as bootstrap:
        yield KafkaSettings(bootstrap=bootstrap)


@pytest.fixture(scope="module")
def postgres_dsn(docker_engine: str) -> Iterator[str]:
    with postgres_container(PASSWORD) as dsn:
        yield dsn


@pytest.fixture
def empty_database_dsn(postgres_dsn: str) -> Iterator[str]:
    with new_database(postgres_dsn) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def clickhouse_server(docker_engine: str) -> Iterator[tuple[str, Any]]:
    with clickhouse_container(PASSWORD) as server:
        yield server


@pytest.fixture
def clickhouse(clickhouse_server: tuple[str, Any]) -> Iterator[ClickHouse]:
    """A client of a database that is new and empty."""
    server_dsn = clickhouse_server[0]
    name = f"test_{uuid.uuid4().hex}"
    server = ClickHouse(ClickHouseSettings.model_validate({"dsn": server_dsn}))
    server.execute(f"CREATE DATABASE {name}")
    dsn = f"{server_dsn.rpartition('/')[0]}/{name}"
    client = ClickHouse(
        ClickHouseSettings.model_validate({"dsn": dsn, "connect_timeout_seconds": 1.0, "request_timeout_seconds": 5.0})
    )
    yield client
    client.close()
    server.close()


def test_an_empty_broker_is_made_to_match_the_declared_topics(kafka_settings: KafkaSettings) -> None:
    admin = admin_client(kafka_settings, CLIENT_ID)
    missing = {difference.topic for difference in diff_topics(kafka_settings, admin) if difference.member == "topic"}
    assert missing == set(load_topics())
    assert {difference.topic for difference in apply_topics(kafka_settings, admin)} == missing
    eventually(lambda: diff_topics(kafka_settings, admin) == [], timeout_seconds=20, what="the broker to match")
    assert apply_topics(kafka_settings, admin) == []


def test_what_is_acknowledged_is_read_by_a_group_and_its_commit_is_kept(kafka_settings: KafkaSettings) -> None:
    apply_topics(kafka_settings, admin_client(kafka_settings, CLIENT_ID))
    producer = PolledProducer(kafka_settings, client_id=CLIENT_ID, ack_timeout_seconds=20.0)
    outbox = Outbox(producer)
    keys = [uuid.uuid4().hex.encode() for _ in range(50)]
    for key in keys:
        outbox.send(RECEIVED, key=key, value=b"value of " + key, headers=[("hookline-kind", b"test")])
    outbox.wait(30.0)
    assert producer.close(10.0) == 0

    consumer = Consumer(consumer_properties(kafka_settings, CLIENT_ID, f"docker-{uuid.uuid4()}"))
    try:
        consumer.subscribe([RECEIVED])
        read: dict[bytes, tuple[bytes, list[tuple[str, bytes]]]] = {}

        def all_read() -> bool:
            for message in consumer.consume(100, 0.5):
                assert message.error() is None, message.error()
                read[message.key()] = message.value(), message.headers()
                consumer.store_offsets(message)
            return len(read) >= len(keys)

        eventually(all_read, timeout_seconds=60, what="every record")
        assert read == {key: (b"value of " + key, [("hookline-kind", b"test")]) for key in keys}
        committed = consumer.commit(asynchronous=False)
        assert sum(partition.offset for partition in committed) == len(keys)
        assert [p.offset for p in consumer.committed(committed, timeout=20)] == [p.offset for p in committed]
    finally:
        consumer.close()


def test_an_empty_database_gets_every_migration_once(empty_database_dsn: str) -> None:
    names = sorted(file.name for file in migrations.MIGRATIONS_FOLDER.glob("*.sql"))
    assert migrations.migrate(empty_database_dsn) == names
    assert migrations.migrate(empty_database_dsn) == []


def member_dsn(owner_dsn: str) -> str:
    """The DSN of a new login that may do nothing but step down to the service role."""
    name = f"member_{uuid.uuid4().hex}"
    statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} NOINHERIT IN ROLE hookline_service")
    with psycopg.connect(owner_dsn) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Literal(PASSWORD)))
    return psycopg.conninfo.make_conninfo(owner_dsn, user=name, password=PASSWORD)


def test_a_tenant_sees_its_own_rows_and_no_others(empty_database_dsn: str) -> None:
    migrations.migrate(empty_database_dsn)
    tenants = [uuid.uuid4() for _ in range(2)]
    with psycopg.connect(empty_database_dsn) as owner:
        for tenant in tenants:
            owner.execute("INSERT INTO tenants (id, slug, name) VALUES (%s, %s, 'T')", (tenant, f"t-{tenant}"))
            owner.execute("INSERT INTO teams (tenant_id, id, name) VALUES (%s, %s, 'A')", (tenant, uuid.uuid4()))
    pool = open_pool(PostgresSettings.model_validate({"dsn": member_dsn(empty_database_dsn)}))
    try:
        with pool.connection() as connection:
            assert connection.execute("SELECT tenant_id FROM teams").fetchall() == []
            connection.commit()
            for tenant in tenants:
                set_tenant(connection, tenant)
                assert connection.execute("SELECT tenant_id FROM teams").fetchall() == [{"tenant_id": tenant}]
                connection.commit()
            set_tenant(connection, tenants[0])
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(
                    "INSERT INTO teams (tenant_id, id, name) VALUES (%s, %s, 'B')", (tenants[1], uuid.uuid4())
                )
            connection.rollback()
    finally:
        pool.close()


def test_clickhouse_gets_every_migration_once_over_http(clickhouse: ClickHouse) -> None:
    names = [migration.name for migration in clickhouse_module.load_migrations()]
    assert clickhouse_module.migrate(clickhouse) == names
    assert clickhouse_module.migrate(clickhouse) == []
    assert clickhouse.query("SELECT count() AS rows FROM deliveries FINAL") == [{"rows": 0}]


def undecodable(offset: int) -> pa.Table:
    texts = {name: ["x"] for name in ("topic", "incarnation", "error", "key", "headers", "value")}
    return pa.table({**texts, "partition": pa.array([0], pa.uint32()), "offset": pa.array([offset], pa.uint64())})


def test_an_insert_repeated_with_its_token_leaves_one_row(clickhouse: ClickHouse) -> None:
    clickhouse_module.migrate(clickhouse)
    for _ in range(2):
        clickhouse.insert("undecodable_records", undecodable(1), deduplication_token="first")
    count = "SELECT count() AS rows FROM undecodable_records"
    assert clickhouse.query(count) == [{"rows": 1}]
    clickhouse.insert("undecodable_records", undecodable(2), deduplication_token="second")
    assert clickhouse.query(count) == [{"rows": 2}]


def is_answering(clickhouse: ClickHouse) -> bool:
    try:
        clickhouse.ping()
    except ClickHouseUnavailableError:
        return False
    return True


@pytest.mark.parametrize(("away", "back"), [("kill", "start"), ("pause", "unpause")])
def test_a_server_that_is_away_is_said_to_be_away_until_it_is_back(
    clickhouse: ClickHouse, clickhouse_server: tuple[str, Any], away: str, back: str
) -> None:
    clickhouse.ping()
    container = clickhouse_server[1]
    getattr(container, away)()
    try:
        with pytest.raises(ClickHouseUnavailableError):
            clickhouse.ping()
    finally:
        getattr(container, back)()
    eventually(lambda: is_answering(clickhouse), timeout_seconds=60, what="the server to be back")
