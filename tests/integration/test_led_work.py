"""Work that one management process does: how it goes on after a store was away, over real sessions in Postgres."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pytest

from hookline.embedded.postgres import PostgresServer
from infra.errors import KafkaUnavailableError
from infra.migrations import migrate
from infra.postgres import Connection
from infra.settings import PostgresSettings
from management.leading import LedWork
from tests.support.stack import new_database
from tests.support.wait import eventually

READY_AGAIN_SECONDS = 60


class Looking(LedWork):
    """Looks once an hour, unless a look is not whole."""

    name = "looking"
    lock_key = 0x74657374
    look_seconds = 3_600.0

    def __init__(self, postgres: PostgresSettings, look: Callable[[int], Sequence[str]] = lambda _: ()) -> None:
        super().__init__(postgres)
        self._make_look = look
        self.sessions: list[int] = []

    def step(self, connection: Connection) -> Sequence[str]:
        self.sessions.append(connection.info.backend_pid)
        return self._make_look(len(self.sessions))

    @property
    def state(self) -> object:
        return self.health().details["state"]


@pytest.fixture(scope="module")
def settings(postgres: PostgresServer) -> Iterator[PostgresSettings]:
    with new_database(postgres.dsn) as dsn:
        migrate(dsn)
        yield PostgresSettings.model_validate({"dsn": dsn})


@contextmanager
def running(*works: Looking) -> Iterator[None]:
    for work in works:
        work.start()
    try:
        yield
    finally:
        for work in works:
            work.stop(20)


def test_a_look_that_a_store_had_no_answer_for_is_repeated_soon_in_the_same_session(settings: PostgresSettings) -> None:
    def look(number: int) -> Sequence[str]:
        if number == 1:
            raise KafkaUnavailableError("nobody listens")
        return ("a rule was left out",) if number == 2 else ()

    work = Looking(settings, look)
    reasons: set[str] = set()

    def looked_thrice() -> bool:
        reasons.update(work.health().reasons)
        return len(work.sessions) == 3 and work.health().ready

    with running(work):
        eventually(looked_thrice, timeout_seconds=READY_AGAIN_SECONDS, what="a whole look")
        assert work.state == "leader"
    assert reasons == {"Kafka: nobody listens", "a rule was left out"}
    assert len(set(work.sessions)) == 1
    assert (work.state, work.health().ready) == ("starting", False)


def test_a_leader_whose_session_ended_leads_again_and_looks_at_once(settings: PostgresSettings) -> None:
    work = Looking(settings)
    with running(work):
        eventually(lambda: work.sessions, timeout_seconds=READY_AGAIN_SECONDS, what="a look")
        with psycopg.connect(settings.dsn.get_secret_value(), autocommit=True) as owner:
            owner.execute("SELECT pg_terminate_backend(%s)", (work.sessions[0],))
        eventually(lambda: len(work.sessions) == 2, timeout_seconds=READY_AGAIN_SECONDS, what="another look")
        eventually(lambda: work.health().ready, timeout_seconds=READY_AGAIN_SECONDS, what="it to be ready")
    assert work.sessions[0] != work.sessions[1]


def test_who_stands_by_takes_over_and_looks_at_once(settings: PostgresSettings) -> None:
    one, two = Looking(settings), Looking(settings)
    with running(one):
        eventually(lambda: one.leads, timeout_seconds=READY_AGAIN_SECONDS, what="the first to lead")
        with running(two):
            eventually(lambda: two.state == "standby", timeout_seconds=READY_AGAIN_SECONDS, what="the other to wait")
            assert two.health().ready
            one.stop(20)
            eventually(lambda: two.sessions, timeout_seconds=READY_AGAIN_SECONDS, what="a look of the other")
