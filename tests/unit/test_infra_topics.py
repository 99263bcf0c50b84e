"""What `topics diff` finds and `topics apply` does, decided against a broker that only exists in memory."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from infra import topics
from infra.errors import KafkaUnavailableError, TopicMismatchError
from infra.settings import KafkaSettings
from infra.topics import apply_topics, diff_topics, load_topics, topic_partitions

SETTINGS = KafkaSettings(request_partitions=4, replication_factor=1)
SHRUNK, GROWN = 2, 16


class FakeBroker:
    """The part of an AdminClient that the registry uses, over two dictionaries."""

    def __init__(self) -> None:
        declared = load_topics()
        self.partitions = {name: topic.partition_count(SETTINGS) for name, topic in declared.items()}
        self.configs = {name: topic.broker_config() for name, topic in declared.items()}
        self.changes: list[str] = []
        self.away = False

    def list_topics(self, timeout: float) -> Any:
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        counted = {name: SimpleNamespace(partitions=dict.fromkeys(range(n))) for name, n in self.partitions.items()}
        return SimpleNamespace(topics=counted)

    def describe_configs(self, resources: list[Any], *, request_timeout: float) -> dict[Any, Future[Any]]:
        return {
            resource: _done({name: SimpleNamespace(value=v) for name, v in self.configs[resource.name].items()})
            for resource in resources
        }

    def create_topics(self, new: list[Any]) -> dict[Any, Future[Any]]:
        for topic in new:
            self.changes.append(f"create {topic.topic}")
            self.partitions[topic.topic] = topic.num_partitions
            self.configs[topic.topic] = dict(topic.config)
        return {topic.topic: _done(None) for topic in new}

    def create_partitions(self, new: list[Any]) -> dict[Any, Future[Any]]:
        for topic in new:
            self.changes.append(f"grow {topic.topic}")
            self.partitions[topic.topic] = topic.new_total_count
        return {topic.topic: _done(None) for topic in new}

    def incremental_alter_configs(self, resources: list[Any]) -> dict[Any, Future[Any]]:
        for resource in resources:
            for entry in resource.incremental_configs:
                self.changes.append(f"set {resource.name} {entry.name}")
                self.configs[resource.name][entry.name] = entry.value
        return {resource: _done(None) for resource in resources}

    @property
    def admin(self) -> AdminClient:
        return cast("AdminClient", self)


def _done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


def test_a_broker_that_matches_shows_no_difference_and_is_left_alone(broker: FakeBroker) -> None:
    assert diff_topics(SETTINGS, broker.admin) == []
    assert apply_topics(SETTINGS, broker.admin) == []
    assert broker.changes == []


def test_topics_of_others_are_ignored(broker: FakeBroker) -> None:
    broker.partitions["somebody.elses"] = 99
    assert diff_topics(SETTINGS, broker.admin) == []


def test_a_missing_topic_is_found_and_made(broker: FakeBroker) -> None:
    del broker.partitions[topics.ACTIONS], broker.configs[topics.ACTIONS]
    (difference,) = diff_topics(SETTINGS, broker.admin)
    assert (difference.topic, difference.member, difference.found) == (topics.ACTIONS, "topic", "missing")
    apply_topics(SETTINGS, broker.admin)
    assert broker.changes == [f"create {topics.ACTIONS}"]
    assert diff_topics(SETTINGS, broker.admin) == []


def test_an_empty_broker_gets_every_topic(broker: FakeBroker) -> None:
    broker.partitions.clear()
    broker.configs.clear()
    apply_topics(SETTINGS, broker.admin)
    assert set(broker.partitions) == set(load_topics())
    assert diff_topics(SETTINGS, broker.admin) == []


@pytest.mark.parametrize("member", ["retention.ms", "cleanup.policy", "max.message.bytes", "message.timestamp.type"])
def test_a_changed_member_is_found_and_set_back_alone(broker: FakeBroker, member: str) -> None:
    broker.configs[topics.RECORDED][member] = "changed"
    (difference,) = diff_topics(SETTINGS, broker.admin)
    assert (difference.topic, difference.member, difference.found) == (topics.RECORDED, member, "changed")
    apply_topics(SETTINGS, broker.admin)
    assert broker.changes == [f"set {topics.RECORDED} {member}"]
    assert diff_topics(SETTINGS, broker.admin) == []


def test_an_ordinary_topic_may_grow(broker: FakeBroker) -> None:
    broker.partitions[topics.RECORDED] = SHRUNK
    apply_topics(SETTINGS, broker.admin)
    assert broker.changes == [f"grow {topics.RECORDED}"]
    assert diff_topics(SETTINGS, broker.admin) == []


@pytest.mark.parametrize(
    ("name", "count"),
    [
        (topics.RECORDED, GROWN),
        (topics.RECEIVED, SHRUNK),
        (topics.RECEIVED, GROWN),
        (topics.EXPEDITED, SHRUNK),
        (topics.RELEASED, SHRUNK),
        (topics.REMEMBERED, SHRUNK),
    ],
)
def test_a_partition_count_that_would_move_or_lose_records_is_refused_before_any_change(
    broker: FakeBroker, name: str, count: int
) -> None:
    broker.partitions[name] = count
    broker.configs[topics.RECORDED]["retention.ms"] = "1"
    del broker.partitions[topics.ACTIONS], broker.configs[topics.ACTIONS]
    with pytest.raises(
        TopicMismatchError, match=rf"nothing was changed: {name} partitions: declared \d+, found {count}"
    ):
        apply_topics(SETTINGS, broker.admin)
    assert broker.changes == []


def test_every_refused_topic_is_named_in_one_message(broker: FakeBroker) -> None:
    broker.partitions[topics.RECEIVED] = broker.partitions[topics.RELEASED] = GROWN
    with pytest.raises(TopicMismatchError) as caught:
        apply_topics(SETTINGS, broker.admin)
    assert topics.RECEIVED in str(caught.value)
    assert topics.RELEASED in str(caught.value)


def test_a_broker_that_does_not_answer_is_an_error_of_ours(broker: FakeBroker) -> None:
    broker.away = True
    with pytest.raises(KafkaUnavailableError, match="list topics"):
        diff_topics(SETTINGS, broker.admin)


def test_asking_for_the_partitions_of_a_missing_topic_says_what_to_run(broker: FakeBroker) -> None:
    assert topic_partitions(broker.admin, [topics.RECEIVED]) == {topics.RECEIVED: 4}
    del broker.partitions[topics.RECEIVED]
    with pytest.raises(TopicMismatchError, match=f"{topics.RECEIVED} is missing: run `hookline topics apply`"):
        topic_partitions(broker.admin, [topics.RECEIVED])
