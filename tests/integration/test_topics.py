"""topics.yaml against a real broker: made, compared, repaired, and refused where records would move."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from hookline.embedded.kafka import KafkaBroker, start_kafka
from infra import topics
from infra.errors import KafkaUnavailableError, TopicMismatchError
from infra.kafka import admin_client
from infra.settings import KafkaSettings
from infra.topics import TopicDifference, apply_topics, diff_topics, load_topics, topic_incarnations
from tests.support.wait import eventually

REQUEST_PARTITIONS = 4
SETTLE_SECONDS = 20.0


@pytest.fixture(scope="module")
def own_broker(stack_folder: Path) -> Iterator[KafkaBroker]:
    """Topic names are global: tests that change topics have a broker to themselves."""
    with start_kafka(stack_folder / "kafka-topics") as broker:
        yield broker


@pytest.fixture
def settings(own_broker: KafkaBroker) -> KafkaSettings:
    return KafkaSettings(bootstrap=own_broker.bootstrap, request_partitions=REQUEST_PARTITIONS)


@pytest.fixture
def admin(settings: KafkaSettings) -> Iterator[AdminClient]:
    """A broker without any topic, before and after."""
    client = admin_client(settings, "test-topics")
    _delete_everything(client)
    yield client
    _delete_everything(client)


def _names(client: AdminClient) -> set[str]:
    return {name for name in client.list_topics(timeout=10).topics if not name.startswith("__")}


def _delete_everything(client: AdminClient) -> None:
    names = _names(client)
    if names:
        for future in client.delete_topics(list(names)).values():
            future.result(30)
    eventually(lambda: not _names(client), timeout_seconds=SETTLE_SECONDS, what="all topics to be gone")


def _settled(settings: KafkaSettings, admin: AdminClient, expected: list[TopicDifference]) -> bool:
    """Metadata of a topic just made reaches an admin client a moment later."""
    return diff_topics(settings, admin) == expected


def _apply(settings: KafkaSettings, admin: AdminClient) -> None:
    apply_topics(settings, admin)
    eventually(partial(_settled, settings, admin, []), timeout_seconds=SETTLE_SECONDS, what="the broker to match")


def _create(admin: AdminClient, name: str, partitions: int, config: dict[str, str] | None = None) -> None:
    for future in admin.create_topics([NewTopic(name, partitions, 1, config=config or {})]).values():
        future.result(30)
    eventually(lambda: name in _names(admin), timeout_seconds=SETTLE_SECONDS, what=f"{name} to be there")


def test_an_empty_broker_is_made_to_match_and_a_second_apply_changes_nothing(
    settings: KafkaSettings, admin: AdminClient
) -> None:
    made = apply_topics(settings, admin)
    assert {difference.topic for difference in made} == set(load_topics())
    eventually(partial(_settled, settings, admin, []), timeout_seconds=SETTLE_SECONDS, what="the broker to match")
    assert apply_topics(settings, admin) == []


def test_the_broker_has_what_was_declared(settings: KafkaSettings, admin: AdminClient) -> None:
    _apply(settings, admin)
    metadata = admin.list_topics(timeout=10).topics
    assert {name: len(metadata[name].partitions) for name in load_topics()} == {
        name: topic.partition_count(settings) for name, topic in load_topics().items()
    }


def test_a_changed_retention_is_found_and_repaired(settings: KafkaSettings, admin: AdminClient) -> None:
    declared = load_topics()[topics.RECEIVED]
    config = declared.broker_config() | {"retention.ms": "1000"}
    _create(admin, topics.RECEIVED, REQUEST_PARTITIONS, config)
    found = [difference for difference in diff_topics(settings, admin) if difference.topic == topics.RECEIVED]
    wanted = declared.broker_config()["retention.ms"]
    assert found == [TopicDifference(topics.RECEIVED, "retention.ms", wanted, "1000", fixable=True)]
    _apply(settings, admin)


def test_an_ordinary_topic_with_fewer_partitions_grows(settings: KafkaSettings, admin: AdminClient) -> None:
    _create(admin, topics.RECORDED, 2, load_topics()[topics.RECORDED].broker_config())
    _apply(settings, admin)
    count = load_topics()[topics.RECORDED].partition_count(settings)
    assert len(admin.list_topics(timeout=10).topics[topics.RECORDED].partitions) == count


@pytest.mark.parametrize("partitions", [REQUEST_PARTITIONS - 1, REQUEST_PARTITIONS + 1])
def test_a_request_topic_with_another_partition_count_is_refused_and_nothing_is_changed(
    settings: KafkaSettings, admin: AdminClient, partitions: int
) -> None:
    _create(admin, topics.EXPEDITED, partitions, load_topics()[topics.EXPEDITED].broker_config())
    message = rf"{topics.EXPEDITED} partitions: declared {REQUEST_PARTITIONS}, found {partitions}"
    with pytest.raises(TopicMismatchError, match=message):
        apply_topics(settings, admin)
    assert _names(admin) == {topics.EXPEDITED}
    assert len(admin.list_topics(timeout=10).topics[topics.EXPEDITED].partitions) == partitions


def test_a_topic_made_anew_has_another_incarnation(settings: KafkaSettings, admin: AdminClient) -> None:
    _create(admin, topics.REJECTED, 1)
    first = topic_incarnations(admin, [topics.REJECTED])
    assert topic_incarnations(admin, [topics.REJECTED]) == first
    _delete_everything(admin)
    _create(admin, topics.REJECTED, 1)
    assert topic_incarnations(admin, [topics.REJECTED]) != first


def test_the_incarnation_of_a_missing_topic_is_an_error_of_ours(settings: KafkaSettings, admin: AdminClient) -> None:
    with pytest.raises(KafkaUnavailableError, match="describe topics"):
        topic_incarnations(admin, [topics.REJECTED])


def test_a_replication_the_broker_cannot_give_is_refused_with_the_brokers_reason(
    settings: KafkaSettings, admin: AdminClient
) -> None:
    with pytest.raises(KafkaUnavailableError, match=r"(?i)replication") as caught:
        apply_topics(settings.model_copy(update={"replication_factor": 3}), admin)
    assert isinstance(caught.value.__cause__, KafkaException)
    assert _names(admin) == set()
