"""Domain events on their way from the outbox to their topic: each once, in order per entity, again after a crash."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.embedded.kafka import KafkaBroker
from hookline.embedded.postgres import PostgresServer
from infra import log
from infra.metrics import REGISTRY
from infra.topics import DOMAIN_EVENTS, load_topics
from management.domain_events.relay import DomainEventRelay
from management.domain_events.repository import EVENT_BYTES_MAX
from schemas import headers as record_headers
from tests.support.actions import ActionBase
from tests.support.domain_events import EVENT_TYPE, Events, numbers_by_board
from tests.support.processes import python_process
from tests.support.relay import prepared, running_relay
from tests.support.stack import new_database

pytestmark = pytest.mark.timeout(300)

#: A relay that is killed when it has published and not deleted yet.
_DIES_BEFORE_DELETION = """
import os, signal, sys, threading
from infra.settings import Settings
from management.domain_events.relay import DomainEventRelay
from management.domain_events.repository import EventSession

EventSession.delete_events = lambda session, events: os.kill(os.getpid(), signal.SIGKILL)
stores = {"kafka": {"bootstrap": sys.argv[1]}, "postgres": {"dsn": sys.argv[2]}}
DomainEventRelay(Settings.model_validate(stores)).start()
threading.Event().wait()
"""


@pytest.fixture
def events(postgres: PostgresServer, kafka: KafkaBroker, tmp_path: Path) -> Iterator[Events]:
    """A database of this test's own with one tenant; the topic is shared."""
    with new_database(postgres.dsn) as dsn:
        tables = prepared(dsn, kafka.bootstrap, tmp_path)
        yield Events(tables.settings, tables.tenant.id)


def dropped() -> float:
    return REGISTRY.get_sample_value("hookline_events_dropped_total") or 0.0


def test_the_events_of_actions_arrive_once_in_their_order_with_what_one_chooses_by(
    postgres: PostgresServer, kafka: KafkaBroker, tmp_path: Path
) -> None:
    with new_database(postgres.dsn) as dsn:
        settings = prepared(dsn, kafka.bootstrap, tmp_path).settings
        base = ActionBase.prepare(dsn)
        events = Events(settings, base.tenant.tenant_id)
        options = {"on_existing": "update"}
        requests = [
            base.request({"external_id": "a", "title": title}, options=options, hops=2) for title in ("one", "two")
        ]
        with running_relay(DomainEventRelay(settings)) as relay:
            entity_ids = [base.run(request)[0].body["entity_id"] for request in requests]
            events.await_nothing_waiting()
            health = relay.health()
        assert (health.name, health.ready, health.details["state"]) == ("events", True, "leader")
        assert health.last_commit_at_us is not None
        published = events.published(entity_ids[0])
        assert [one.event.type for one in published] == ["ticket.created", "ticket.updated"]
        assert [one.event.causation_id for one in published] == [request["delivery_id"] for request in requests]
        for one in published:
            assert one.key == f"{base.tenant.tenant_id}/{one.event.entity_id}".encode()
            assert one.headers == {
                record_headers.TENANT_ID: str(base.tenant.tenant_id).encode(),
                record_headers.EVENT_TYPE: one.event.type.encode(),
                record_headers.HOPS: b"3",
            }


def test_what_is_committed_late_is_published_late_and_holds_up_no_other_entity(events: Events) -> None:
    slow, quick = events.add_board(), events.add_board()
    with running_relay(DomainEventRelay(events.settings)):
        with events.connection() as connection:
            events.tell_within(connection, slow)
            events.tell(quick)
            events.await_nothing_waiting()
            assert events.numbers() == {quick: [1]}
        events.tell(slow)
        events.await_nothing_waiting()
    assert events.numbers() == {slow: [1, 2], quick: [1]}


def test_one_who_dies_between_publishing_and_deleting_repeats_events_and_loses_none(events: Events) -> None:
    boards = [events.add_board() for _ in range(3)]
    told = events.tell(*boards) + events.tell(*boards)
    dsn = events.settings.postgres.dsn.get_secret_value()
    for _ in range(2):
        with python_process(_DIES_BEFORE_DELETION, events.settings.kafka.bootstrap, dsn) as process:
            assert process.wait(90) == -signal.SIGKILL
        assert events.waiting() == len(told)
        told += events.tell(*boards)
    with running_relay(DomainEventRelay(events.settings)):
        events.await_nothing_waiting()
    published = events.published()
    assert {one.event.event_id for one in published} == set(told)
    assert numbers_by_board(published) == {board: [1, 2, 1, 2, 3, 1, 2, 3, 4] for board in boards}


def test_one_leads_and_the_next_goes_on_where_it_stopped(events: Events) -> None:
    board = events.add_board()
    first = DomainEventRelay(events.settings)
    with running_relay(first), running_relay(DomainEventRelay(events.settings)) as second:
        assert (first.health().details["state"], second.health().details["state"]) == ("leader", "standby")
        events.tell(board)
        events.await_nothing_waiting()
        first.stop(20)
        events.tell(board)
        events.await_nothing_waiting()
        assert second.health().details["state"] == "leader"
    assert events.numbers() == {board: [1, 2]}


def test_one_event_too_large_for_the_topic_is_given_up_with_its_ids_and_holds_nothing_up(
    events: Events, capfd: pytest.CaptureFixture[str]
) -> None:
    log.configure(role="management", level="error")
    board, before = events.add_board(), dropped()
    events.tell(board)
    [too_large] = events.tell(board, text="x" * EVENT_BYTES_MAX)
    events.tell(board)
    with running_relay(DomainEventRelay(events.settings)):
        events.await_nothing_waiting()
    assert events.numbers() == {board: [1, 3]}
    assert dropped() - before == 1
    [line] = [line for line in capfd.readouterr().err.splitlines() if "events.too_large" in line]
    assert all(part in line for part in (too_large, str(board), str(events.tenant_id), EVENT_TYPE))
    assert "xxx" not in line


def test_events_as_large_as_they_may_be_are_published_a_few_at_a_time(events: Events) -> None:
    """Text that nothing compresses, so that the broker sees the whole size."""
    randomness = random.Random(1)
    board, room = events.add_board(), 2_000
    for _ in range(4):
        events.tell(board, text=randomness.randbytes((EVENT_BYTES_MAX - room) // 2).hex())
    before = REGISTRY.get_sample_value("hookline_event_seconds_count") or 0.0
    with running_relay(DomainEventRelay(events.settings)):
        events.await_nothing_waiting()
    assert events.numbers() == {board: [1, 2, 3, 4]}
    assert (REGISTRY.get_sample_value("hookline_event_seconds_count") or 0.0) - before == 2
    assert load_topics()[DOMAIN_EVENTS].message_bytes_max > EVENT_BYTES_MAX


def test_a_backlog_is_published_in_order_across_batches(events: Events) -> None:
    boards = [events.add_board() for _ in range(6)]
    with events.connection() as connection:
        for _ in range(400):
            events.tell_within(connection, *boards)
    with running_relay(DomainEventRelay(events.settings)):
        events.await_nothing_waiting()
    assert events.numbers() == {board: list(range(1, 401)) for board in boards}
