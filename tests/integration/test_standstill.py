"""Consumers that stand still are told from those that rightly do nothing; ways to stand still that are mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer

from hookline.embedded.kafka import KafkaBroker
from infra.kafka import Outbox, PolledProducer, admin_client, consumer_properties
from infra.settings import KafkaSettings, Settings
from infra.standstill import Place, StandstillWatch, Watched
from infra.topics import ACTIONS, RECEIVED, apply_topics
from sinks.actions.condition import Condition
from sinks.actions.lane import Lane, LaneReader
from tests.support.offsets import ends_of
from tests.support.processors import Workers
from tests.support.wait import eventually

_SECONDS = 30.0
_TOPIC = ACTIONS
_PLACES: frozenset[Place] = frozenset((_TOPIC, number) for number in range(4))


@pytest.fixture
def settings(kafka: KafkaBroker) -> Settings:
    group_id = f"standstill-{uuid4().hex}"
    made = Settings.model_validate(
        {
            "kafka": {"bootstrap": kafka.bootstrap},
            "actions": {"group_id": group_id, "session_timeout_seconds": 6},
            "health": {"standstill_seconds_max": 1},
        }
    )
    apply_topics(made.kafka, admin_client(made.kafka, "test"))
    with closing(Consumer(consumer_properties(made.kafka, "test", group_id))) as consumer:
        consumer.commit(offsets=ends_of(consumer, [_TOPIC])[_TOPIC], asynchronous=False)
    return made


@contextmanager
def _lane(settings: Settings) -> Iterator[LaneReader]:
    lane = LaneReader(settings, Lane.ORDINARY, Condition((Lane.ORDINARY,)), lambda _: None)
    try:
        yield lane
    finally:
        lane.close()


def _send(settings: KafkaSettings) -> set[bytes]:
    """A record to each partition; their keys."""
    producer = PolledProducer(settings, client_id="test", ack_timeout_seconds=_SECONDS)
    outbox, keys = Outbox(producer), {uuid4().hex.encode() for _ in _PLACES}
    for key, (topic, number) in zip(keys, _PLACES, strict=True):
        outbox.send(topic, key=key, value=b"", partition=number)
    outbox.wait(_SECONDS)
    producer.close(5)
    return keys


def _owns(count: int, lane: LaneReader, *others: LaneReader) -> Callable[[], bool]:
    """Whether `lane` has so many partitions, while all of them are members and take nothing."""

    def owns() -> bool:
        for one in (lane, *others):
            one.keep_alive(0.05)
        return len(lane.owned()) == count

    return owns


def test_a_partition_that_was_lost_while_it_was_paused_is_read_when_it_comes_back(settings: Settings) -> None:
    with _lane(settings) as lane:
        eventually(_owns(4, lane), timeout_seconds=_SECONDS, what="all partitions")
        with _lane(settings) as other:
            eventually(
                _owns(2, lane, other), timeout_seconds=_SECONDS, what="half of the partitions, the pause going on"
            )
            lane.resume()

        def owns_all_again() -> bool:
            lane.take(100, 0.05)
            return len(lane.owned()) == 4

        eventually(owns_all_again, timeout_seconds=_SECONDS, what="all partitions again")
        keys, seen = _send(settings.kafka), set[bytes | None]()

        def read_all() -> bool:
            seen.update(message.key() for message in lane.take(100, 0.05))
            return keys <= seen

        eventually(read_all, timeout_seconds=_SECONDS, what="the records of every partition")


def test_who_commits_nothing_is_told_and_who_rightly_has_nothing_is_not(settings: Settings) -> None:
    told: list[str] = []

    def watched(name: str, owned: frozenset[Place], waited_at: float) -> Watched:
        return Watched(name, settings.actions.group_id, (_TOPIC,), lambda: owned, lambda: waited_at)

    consumers = [
        watched("has all", _PLACES, float("-inf")),
        watched("has nothing", frozenset(), float("-inf")),
        watched("waits for its database", _PLACES, float("inf")),
    ]
    with ExitStack() as leave:
        lane = leave.enter_context(_lane(settings))
        eventually(_owns(4, lane), timeout_seconds=_SECONDS, what="a member")
        _send(settings.kafka)
        watch = StandstillWatch(settings, consumers, lambda name, _: told.append(name))
        watch.start()
        try:

            def told_often() -> bool:
                lane.keep_alive(0.05)
                return told.count("has all") >= 5

            eventually(told_often, timeout_seconds=_SECONDS, what="the one that has all to be told")
            assert set(told) == {"has all"}
            leave.close()
            eventually(lambda: "has nothing" in told, timeout_seconds=_SECONDS, what="what nobody has to be told of")
            assert "waits for its database" not in told
        finally:
            watch.stop(10)


@pytest.mark.proof
def test_a_processor_that_its_group_refuses_ends_instead_of_standing_still(kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = KafkaSettings(bootstrap=kafka.bootstrap)
    apply_topics(settings, admin_client(settings, "test"))
    group_id = f"processors-{uuid4().hex}"
    with closing(Consumer(consumer_properties(settings, "test", group_id))) as stranger:
        stranger.subscribe([RECEIVED])

        def joined() -> bool:
            stranger.poll(0.1)
            return bool(stranger.assignment())

        eventually(joined, timeout_seconds=_SECONDS, what="a member that shares partitions in another way")
        workers = Workers(settings, tmp_path, HOOKLINE_PROCESSORS__GROUP_ID=group_id)
        workers.start("refused")
        try:

            def ended() -> bool:
                stranger.poll(0.1)
                return not workers.running()

            eventually(ended, timeout_seconds=60, what="the processor to end")
            assert "membership.lost" in (tmp_path / "refused" / "log.jsonl").read_text()
        finally:
            workers.stop_all()
