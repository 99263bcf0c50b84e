"""A consumer that is stopped, seen from outside: its backlog's age, when it loses data, and what is to be done."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from fastapi.routing import APIRoute

from hookline.embedded.kafka import KafkaBroker
from hookline.status import GroupStatus, PartStatus, StackStatus, show_status
from infra import metrics
from infra.groups import GroupReaders, group_readers
from infra.kafka import admin_client, consumer_properties, producer_properties
from infra.lag import LagReader
from infra.role import PartHealth
from infra.settings import ActionSettings, ClickHouseSettings, ProcessorSettings, Settings
from infra.topics import RECORDED, REJECTED, load_topics
from management import group_watch
from management.group_watch import GroupWatch
from management.status import SystemStatus
from tests.support.analytics import analytics_settings, begin_at_the_end, make_topics
from tests.support.ports import silent_port, with_broker_at
from tests.support.wait import eventually

GROUP = f"watched-{uuid.uuid4().hex[:8]}"
REJECTIONS = f"{GROUP}-rejections"
#: The retention of REJECTED, less 3 h 10 m and as much as may pass until the last look.
AGE_SECONDS = (load_topics()[REJECTED].retention_seconds or 0) - 11_455
PASSING_SECONDS = 50


@pytest.fixture(scope="module", autouse=True)
def _a_busy_broker_is_waited_for() -> Iterator[None]:
    """What a look finds is what these tests are about; it may take longer than an operator would wait for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_watch, "LOOK_SECONDS_MAX", 60.0)
        patch.setattr(group_watch, "_ANSWER_SECONDS_MAX", 30.0)
        yield


@pytest.fixture(scope="module")
def settings(kafka: KafkaBroker) -> Settings:
    base = analytics_settings(kafka.bootstrap, ClickHouseSettings(path=Path("/unused")), group_id=GROUP)
    make_topics(base)
    begin_at_the_end(base)
    return base.model_copy(
        update={
            "processors": ProcessorSettings(group_id=f"{GROUP}-processors"),
            "actions": ActionSettings(group_id=f"{GROUP}-actions"),
        }
    )


class StoppedRole:
    """The process of the role runs; its consumers do not."""

    name = "analytics"

    def start(self) -> None: ...

    def stop(self, timeout_seconds: float) -> None: ...

    def health(self) -> PartHealth:
        return PartHealth(self.name, ready=False, reasons=("rejections: ClickHouse: away",))


@pytest.fixture(scope="module")
def shown(settings: Settings) -> Iterator[dict[str, Any]]:
    """/status after a rejection of long ago that nobody reads, and a fresh one."""
    producer = Producer(producer_properties(settings.kafka, "test", ack_timeout_seconds=30))
    for seconds in (AGE_SECONDS, 0):
        producer.produce(REJECTED, b"{}", partition=0, timestamp=int((time.time() - seconds) * 1_000))
    assert producer.flush(30) == 0
    watch = GroupWatch(settings)
    [route] = SystemStatus(watch, [StoppedRole()]).routes().routes
    assert isinstance(route, APIRoute)
    yield orjson.loads(route.endpoint().body)
    watch.close()


def group_of(shown: dict[str, Any], group_id: str) -> dict[str, Any]:
    [found] = [group for group in shown["groups"] if group["group_id"] == group_id]
    return dict(found)


def test_a_stopped_consumer_says_how_old_its_backlog_is_and_when_it_loses_data(shown: dict[str, Any]) -> None:
    group = group_of(shown, REJECTIONS)
    assert (group["ready"], group["members"], group["lag_records"]) == (False, 0, 2)
    assert group["oldest_unprocessed_seconds"] == pytest.approx(AGE_SECONDS, abs=PASSING_SECONDS)
    assert group["oldest_unprocessed_at"].endswith("Z")
    assert (
        group["data_loss_in_seconds"] == group["retention_left_seconds"] == pytest.approx(11_455, abs=PASSING_SECONDS)
    )
    assert (group["data_loss_topic"], group["lost_records"], group["last_commit_at"]) == (REJECTED, 0, None)
    loss, start = group["what_to_do"]
    assert loss.startswith(f"it loses data in 3 h 10 m: keep {REJECTED} longer")
    assert "`hookline run analytics`" in start


def test_a_group_without_a_backlog_has_no_horizon(shown: dict[str, Any]) -> None:
    group = group_of(shown, f"{GROUP}-outcomes")
    assert group["lag_records"] == 0
    assert group["oldest_unprocessed_seconds"] is group["data_loss_in_seconds"] is None
    assert [one for one in group["what_to_do"] if "loses" in one] == []


def test_a_part_shows_the_oldest_of_its_groups_and_what_is_to_be_done(shown: dict[str, Any]) -> None:
    [part] = shown["parts"]
    assert part["oldest_unprocessed_seconds"] == pytest.approx(AGE_SECONDS, abs=PASSING_SECONDS)
    assert part["data_loss_in_seconds"] == pytest.approx(11_455, abs=PASSING_SECONDS)
    assert "#clickhouse-is-away" in part["what_to_do"][0]


def test_the_metrics_say_the_same(shown: dict[str, Any]) -> None:
    def value(name: str, **labels: str) -> float:
        return metrics.REGISTRY.get_sample_value(f"hookline_{name}", {"group": REJECTIONS, **labels}) or 0.0

    assert group_of(shown, REJECTIONS)
    assert value("group_members") == 0
    assert value("group_lag_records", topic=REJECTED) == 2
    assert value("group_data_loss_seconds", topic=REJECTED) == pytest.approx(11_455, abs=PASSING_SECONDS)
    assert value("group_retention_left_seconds", topic=REJECTED) == pytest.approx(11_455, abs=PASSING_SECONDS)
    assert value("group_oldest_unprocessed_seconds", topic=REJECTED) == pytest.approx(AGE_SECONDS, abs=PASSING_SECONDS)
    assert metrics.REGISTRY.get_sample_value("hookline_store_away", {"store": "kafka"}) == 0


def test_the_command_shows_it_in_words(shown: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    group = group_of(shown, REJECTIONS)
    members = {name: group[name] for name in ("group_id", "role", "members", "lag_records", "data_loss_in_seconds")}
    part = PartStatus("analytics", False, ("no answer",), 1, "http://x", what_to_do=("start it [again]",))
    show_status(StackStatus(False, "/d", [part], [GroupStatus(**members, what_to_do=tuple(group["what_to_do"]))]))
    text = capsys.readouterr().out
    assert "3 h 10 m" in text
    assert "What to do\n  analytics: start it [again]\n" in text
    assert f"  {REJECTIONS}: it loses data in 3 h 10 m" in text


def test_what_was_found_of_late_serves_others_too_and_a_closed_watch_keeps_what_it_found(settings: Settings) -> None:
    watch = GroupWatch(settings)
    first = watch.look(age_seconds_max=600)
    assert REJECTIONS in [group.group_id for group, _ in first]
    assert watch.look(age_seconds_max=600) is first
    second = watch.look()
    assert second is not first
    watch.close()
    assert watch.look() is second


@pytest.fixture
def own_topic(kafka: KafkaBroker, settings: Settings) -> Iterator[tuple[AdminClient, str]]:
    """A topic of this test alone, with two partitions."""
    admin, name = admin_client(settings.kafka, "test"), f"test.{uuid.uuid4().hex}"
    [made] = admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)]).values()
    made.result(30)
    yield admin, name
    [gone] = admin.delete_topics([name]).values()
    gone.result(30)


def test_records_deleted_before_they_were_committed_are_counted_as_lost(
    settings: Settings, own_topic: tuple[AdminClient, str]
) -> None:
    admin, topic = own_topic
    producer = Producer(producer_properties(settings.kafka, "test", ack_timeout_seconds=30))
    now_milliseconds = int(time.time() * 1_000)
    for number in range(10):
        producer.produce(topic, b"x", partition=0, timestamp=now_milliseconds - 60_000 + number)
    producer.produce(topic, b"x", partition=1, timestamp=now_milliseconds)
    assert producer.flush(30) == 0
    consumer = Consumer(consumer_properties(settings.kafka, "test", f"{GROUP}-own"))
    consumer.commit(offsets=[TopicPartition(topic, 0, 3)], asynchronous=False)
    consumer.close()
    [deleted] = admin.delete_records([TopicPartition(topic, 0, 6)]).values()
    deleted.result(30)
    reader = LagReader(settings.kafka, f"{GROUP}-own", [topic])
    try:
        [backlog] = eventually(
            lambda: [one for one in reader.backlogs(timeout_seconds=10) if one.oldest_at_us is not None],
            timeout_seconds=30,
            what="the backlog",
        )
        assert (backlog.records, backlog.lost_records, backlog.committed) == (5, 3, 3)
        assert backlog.oldest_at_us == (now_milliseconds - 60_000 + 6) * 1_000
        assert reader.by_topic(timeout_seconds=10) == {topic: 5}
    finally:
        reader.close()


def test_members_and_what_they_read_are_told(settings: Settings) -> None:
    group_id = f"{GROUP}-members"
    admin = admin_client(settings.kafka, "test")
    assert group_readers(admin, group_id, (REJECTED,), timeout_seconds=10) == GroupReaders(0, (REJECTED,))
    consumer = Consumer(consumer_properties(settings.kafka, "test", group_id))
    consumer.subscribe([REJECTED])  # from now on it joins, polled or not

    def readers() -> GroupReaders | None:
        consumer.poll(0.1)
        found = group_readers(admin, group_id, (REJECTED, RECORDED), timeout_seconds=10)
        return found if found.members and found.unread is not None else None

    found = eventually(readers, timeout_seconds=30, what="the group to settle")
    assert found == GroupReaders(1, (RECORDED,))
    consumer.close()


def test_what_could_not_be_told_is_asked_again_soon(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_watch, "LOOK_SECONDS_MAX", 0.5)
    monkeypatch.setattr(group_watch, "_AGAIN_SECONDS", 0.0)
    with (
        silent_port() as port,
        closing(GroupWatch(with_broker_at(settings, port))) as watch,
    ):
        first = watch.look(age_seconds_max=600)
        assert all(isinstance(view, str) for _, view in first)
        assert watch.look(age_seconds_max=600) is not first
