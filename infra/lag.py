"""How far a consumer group is behind, as the broker tells it: committed offsets against the ends of the partitions."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from infra.errors import KafkaUnavailableError

_NOTHING_COMMITTED = 0


def partitions_of(admin: AdminClient, topics: Sequence[str], *, timeout_seconds: float) -> list[TopicPartition]:
    """Every partition of the topics that exist."""
    try:
        found = admin.list_topics(timeout=timeout_seconds).topics
    except KafkaException as error:
        raise KafkaUnavailableError(f"list topics: {error.args[0].str()}") from error
    return [TopicPartition(topic, number) for topic in topics if topic in found for number in found[topic].partitions]


def lag_by_topic(
    admin: AdminClient, group_id: str, partitions: Sequence[TopicPartition], *, timeout_seconds: float
) -> dict[str, int]:
    """Records written and not yet committed by the group, per topic. Raises KafkaUnavailableError."""
    if not partitions:
        return {}
    ends = _offsets(admin, partitions, OffsetSpec.latest(), timeout_seconds)
    starts = _offsets(admin, partitions, OffsetSpec.earliest(), timeout_seconds)
    committed = _committed(admin, group_id, timeout_seconds)
    lag: dict[str, int] = {}
    for key, end in ends.items():
        position = max(committed.get(key, _NOTHING_COMMITTED), starts[key])
        lag[key[0]] = lag.get(key[0], 0) + max(0, end - position)
    return lag


def _offsets(
    admin: AdminClient, partitions: Sequence[TopicPartition], spec: OffsetSpec, timeout_seconds: float
) -> Mapping[tuple[str, int], int]:
    futures = admin.list_offsets(dict.fromkeys(partitions, spec), request_timeout=timeout_seconds)
    results = {key: _result(future, timeout_seconds) for key, future in futures.items()}
    return {(key.topic, key.partition): result.offset for key, result in results.items()}


def _committed(admin: AdminClient, group_id: str, timeout_seconds: float) -> Mapping[tuple[str, int], int]:
    futures = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group_id)], request_timeout=timeout_seconds
    )
    found = _result(futures[group_id], timeout_seconds).topic_partitions
    return {(entry.topic, entry.partition): entry.offset for entry in found if entry.offset >= 0}


def _result(future: "Future[Any]", timeout_seconds: float) -> Any:
    try:
        return future.result(timeout_seconds + 1)
    except KafkaException as error:
        raise KafkaUnavailableError(f"offsets: {error.args[0].str()}") from error
    except TimeoutError as error:
        raise KafkaUnavailableError("offsets: no answer in time") from error
