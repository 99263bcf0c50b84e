"""What holds for all relays, of webhooks and of domain events: whoever dies or is away, nothing committed is lost."""

import os
import random
import shutil
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from hookline.embedded.kafka import KafkaBroker, start_kafka
from hookline.embedded.postgres import PostgresServer, start_postgres
from infra.settings import PostgresSettings
from management.configuration.relay import ConfigurationRelay
from management.domain_events.relay import DomainEventRelay
from tests.support.domain_events import EventLoad, Events
from tests.support.relay import AnyRelay, ChangeLoad, Tables, management_process, prepared, running_relay
from tests.support.running_stack import new_stack_folder
from tests.support.stack import new_database
from tests.support.wait import eventually

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

#: In a normal run; a soak run has ten.
_KILLS, _KILLS_SOAK = 5, 10
_WEBHOOKS, _BOARDS = 12, 8
EVENTS = "events"
#: The load began before the relays did, which were killed again and again: on a busy machine nearly all of it waits.
_EMPTY_SECONDS = 180.0


@pytest.fixture
def tables(postgres: PostgresServer, kafka: KafkaBroker, tmp_path: Path) -> Iterator[Tables]:
    """A database of this test's own with one tenant; the topics are shared."""
    with new_database(postgres.dsn) as dsn:
        yield prepared(dsn, kafka.bootstrap, tmp_path)


def events_of(tables: Tables) -> Events:
    return Events(tables.settings, tables.tenant.id)


Relays = tuple[AnyRelay, AnyRelay]


@contextmanager
def both_at_work(tables: Tables, events: Events, board: uuid.UUID) -> Iterator[Relays]:
    """Both relays of one process, once they have published all there is."""
    with (
        running_relay(ConfigurationRelay(tables.settings)) as relay,
        running_relay(DomainEventRelay(tables.settings)) as event_relay,
    ):
        events.tell(board)
        events.await_nothing_waiting()
        yield relay, event_relay


def await_health(relays: Relays, *, ready: bool) -> None:
    for relay in relays:
        eventually(
            lambda one=relay: one.health().ready is ready,  # type: ignore[misc]
            timeout_seconds=60,
            what=f"{relay.name} to be {'ready' if ready else 'in trouble'}",
        )


def test_of_two_managements_one_leads_and_the_other_takes_over_when_it_dies_or_stands_still(
    tables: Tables, tmp_path: Path
) -> None:
    events, webhook_id = events_of(tables), tables.add("alerts")
    board = events.add_board()
    with management_process(tables.settings, tmp_path / "one") as one:
        one.await_state("leader")
        one.await_state("leader", relay=EVENTS)
        with management_process(tables.settings, tmp_path / "two") as two:
            two.await_state("standby")
            two.await_state("standby", relay=EVENTS)
            assert (one.relay_state(), one.relay_state(EVENTS)) == ("leader", "leader")
            one.kill()
            two.await_state("leader")
            tables.change(webhook_id, "after the death")
            tables.await_version(webhook_id, 2)
            two.await_state("leader", relay=EVENTS)
            events.tell(board)
            events.await_nothing_waiting()
            one.start()
            one.await_state("standby")
            os.kill(two.pid, signal.SIGSTOP)
            one.await_state("leader")
            one.await_state("leader", relay=EVENTS)
            tables.change(webhook_id, "while it stood still")
            tables.await_version(webhook_id, 3)
            events.tell(board)
            events.await_nothing_waiting()
            os.kill(two.pid, signal.SIGCONT)
            two.await_state("standby")
            two.await_state("standby", relay=EVENTS)
            tables.change(webhook_id, "afterwards")
            tables.await_version(webhook_id, 4)
    versions = [entry.record.version for entry in tables.published() if entry.record is not None]
    assert versions == sorted(versions)
    assert events.numbers() == {board: [1, 2]}


def test_they_go_on_where_they_were_when_the_broker_was_away(postgres: PostgresServer, tmp_path: Path) -> None:
    with start_kafka(tmp_path / "kafka") as broker, new_database(postgres.dsn) as dsn:
        tables = prepared(dsn, broker.bootstrap, tmp_path)
        events, webhook_id = events_of(tables), tables.add("alerts")
        board = events.add_board()
        with both_at_work(tables, events, board) as relays:
            tables.await_version(webhook_id, 1)
            broker.stop()
            for number in range(5):
                tables.change(webhook_id, f"change {number}")
                events.tell(board)
            await_health(relays, ready=False)
            assert all("Kafka" in str(one.health().reasons) for one in relays)
            with start_kafka(tmp_path / "kafka", port=broker.port):
                tables.await_version(webhook_id, 6, timeout_seconds=60)
                await_health(relays, ready=True)
                events.await_nothing_waiting()
                assert list(dict.fromkeys(events.numbers()[board])) == [1, 2, 3, 4, 5, 6]


def test_they_go_on_where_they_were_when_postgres_was_away(kafka: KafkaBroker) -> None:
    folder = new_stack_folder().parent
    try:
        with start_postgres(folder / "postgres") as server:
            tables = prepared(server.dsn, kafka.bootstrap, folder)
            events, webhook_id = events_of(tables), tables.add("alerts")
            board = events.add_board()
            with both_at_work(tables, events, board) as relays:
                tables.await_version(webhook_id, 1)
                server.stop()
                await_health(relays, ready=False)
                with start_postgres(folder / "postgres", port=server.port):
                    tables.change(webhook_id, "after the restart")
                    events.tell(board)
                    tables.await_version(webhook_id, 2, timeout_seconds=60)
                    await_health(relays, ready=True)
                    events.await_nothing_waiting()
                    assert events.numbers() == {board: [1, 2]}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_without_the_right_to_relay_they_say_so(tables: Tables) -> None:
    login = f"login_{uuid.uuid4().hex[:8]}"
    with tables.connection() as connection:
        connection.execute(
            psycopg.sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x' IN ROLE hookline_service").format(
                psycopg.sql.Identifier(login)
            )
        )
    dsn = psycopg.conninfo.make_conninfo(tables.settings.postgres.dsn.get_secret_value(), user=login, password="x")
    settings = tables.settings.model_copy(update={"postgres": PostgresSettings(dsn=SecretStr(dsn))})
    for kind in (ConfigurationRelay, DomainEventRelay):
        with running_relay(kind(settings), await_ready=False) as relay:
            eventually(
                lambda one=relay: "hookline_relay" in str(one.health().reasons),  # type: ignore[misc]
                timeout_seconds=30,
                what="the missing right to be named",
            )


@pytest.mark.parametrize("kills", [_KILLS, pytest.param(_KILLS_SOAK, marks=pytest.mark.soak)])
def test_kills_under_load_lose_no_committed_change_or_event_and_publish_no_other(
    tables: Tables, tmp_path: Path, kills: int
) -> None:
    seed = int(os.environ.get("HOOKLINE_TEST_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"seed {seed}")  # noqa: T201  # shown when it fails
    randomness = random.Random(seed)
    for number in range(_WEBHOOKS):
        tables.add(f"hook-{number}")
    events = events_of(tables)
    event_load = EventLoad(events, [events.add_board() for _ in range(_BOARDS)], seed)
    load = ChangeLoad(tables, seed)
    with management_process(tables.settings, tmp_path / "management") as management:
        load.start()
        event_load.start()
        try:
            management.await_state("leader")
            for _ in range(kills):
                time.sleep(randomness.uniform(0.05, 4.0))  # a random point, while it starts too
                management.kill()
                management.start()
        finally:
            load.stop()
            event_load.stop()
        management.await_state("leader")  # it was killed a moment ago, and has to start before it publishes
        eventually(lambda: tables.waiting() == 0, timeout_seconds=_EMPTY_SECONDS, what="an empty outbox")
        events.await_nothing_waiting(timeout_seconds=_EMPTY_SECONDS)
    published = tables.published()
    assert load.rolled_back > 0
    for webhook_id, committed in load.committed.items():
        records = [entry.record for entry in published if entry.webhook_id == webhook_id]
        versions = [record.version for record in records if record is not None]
        assert len(versions) == len(records)
        assert versions == sorted(versions), "an older state after a newer one"
        assert versions[-1] == max(committed, default=1)
        assert all(r.name == committed[r.version] for r in records if r is not None and r.version > 1)
    assert event_load.rolled_back > 0
    repeats = event_load.assert_all_published_in_order()
    changes = sum(map(len, load.committed.values()))
    print(f"{changes} changes, {load.rolled_back} rolled back, {len(published)} records")  # noqa: T201
    print(f"{len(event_load.committed)} events, {event_load.rolled_back} rolled back, {repeats} repeats")  # noqa: T201
