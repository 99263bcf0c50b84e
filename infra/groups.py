"""The consumer groups of a system and what each reads, for those who start them and those who watch them."""

from collections.abc import Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from infra.errors import KafkaUnavailableError
from infra.settings import AnalyticsSettings, Settings
from infra.topics import ACCEPTED, ACTIONS, EXPEDITED, EXPEDITED_ACTIONS, RECEIVED, RECORDED, REJECTED

ANALYTICS_TOPICS = {
    "requests": (RECEIVED, EXPEDITED),
    "outcomes": (RECORDED,),
    "rejections": (REJECTED,),
    "attestations": (ACCEPTED,),
}


@dataclass(frozen=True, slots=True)
class ConsumerGroup:
    """A group, the role its members have, and its topics."""

    role: str
    group_id: str
    topics: tuple[str, ...]


def analytics_group_id(settings: AnalyticsSettings, consumer: str) -> str:
    """A group per consumer of the sink, so that one's rebalance does not stop the others."""
    return f"{settings.group_id}-{consumer}"


def consumer_groups(settings: Settings) -> tuple[ConsumerGroup, ...]:
    """Every group that must keep up with its topics."""
    analytics = [
        ConsumerGroup("analytics", analytics_group_id(settings.analytics, consumer), topics)
        for consumer, topics in ANALYTICS_TOPICS.items()
    ]
    return (
        ConsumerGroup("processors", settings.processors.group_id, (RECEIVED, EXPEDITED)),
        ConsumerGroup("actions", settings.actions.group_id, (ACTIONS, EXPEDITED_ACTIONS)),
        *analytics,
    )


@dataclass(frozen=True, slots=True)
class GroupReaders:
    """`members` have joined. `unread` are topics of which no member has a partition; None while the group settles."""

    members: int
    unread: tuple[str, ...] | None


def group_readers(admin: AdminClient, group_id: str, topics: Sequence[str], *, timeout_seconds: float) -> GroupReaders:
    """Who reads `topics` in the group. A member bound to one lane takes only that one's partitions.

    Raises KafkaUnavailableError.
    """
    try:
        [future] = admin.describe_consumer_groups([group_id], request_timeout=timeout_seconds).values()
        group = future.result(timeout_seconds + 1)
    except KafkaException as error:
        cause = error.args[0].name()
        if cause == "GROUP_ID_NOT_FOUND":
            return GroupReaders(0, tuple(topics))
        raise KafkaUnavailableError(f"describe group: {cause}") from error
    except FutureTimeoutError as error:
        raise KafkaUnavailableError("describe group: no answer in time") from error
    if group.state not in (ConsumerGroupState.STABLE, ConsumerGroupState.EMPTY):
        return GroupReaders(len(group.members), None)
    read = {partition.topic for member in group.members for partition in member.assignment.topic_partitions}
    return GroupReaders(len(group.members), tuple(topic for topic in topics if topic not in read))
