"""The consumer groups of a system and what each reads, for those who start them and those who watch them."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, GroupMetadata

from infra.errors import KafkaUnavailableError
from infra.settings import AnalyticsSettings, Settings
from infra.topics import ACCEPTED, ACTIONS, EXPEDITED, EXPEDITED_ACTIONS, RECEIVED, RECORDED, REJECTED

_SETTLED_STATES = frozenset({"Stable", "Empty", "Dead"})
_ASSIGNMENT_HEAD, _NAME_BYTES, _COUNT = struct.Struct(">hi"), struct.Struct(">h"), struct.Struct(">i")
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
    group = _described(admin, group_id, timeout_seconds)
    if group is None:
        return GroupReaders(0, tuple(topics))
    if group.state not in _SETTLED_STATES:
        return GroupReaders(len(group.members), None)
    read = {topic for topic, _ in _places_of(group)}
    return GroupReaders(len(group.members), tuple(topic for topic in topics if topic not in read))


def assigned_places(admin: AdminClient, group_id: str, *, timeout_seconds: float) -> set[tuple[str, int]]:
    """Topics and partitions that members of the group have; none while it settles. Raises KafkaUnavailableError."""
    group = _described(admin, group_id, timeout_seconds)
    return _places_of(group) if group is not None and group.state in _SETTLED_STATES else set()


def _described(admin: AdminClient, group_id: str, timeout_seconds: float) -> GroupMetadata | None:
    """`AdminClient.describe_consumer_groups` would tell the same and is not used: when the broker goes away meanwhile,
    librdkafka 2.16 takes one answer twice and ends the process (confluentinc/librdkafka#4605).
    """
    try:
        group = next((one for one in admin.list_groups(group_id, timeout_seconds) if one.id == group_id), None)
        if group is not None and group.error is not None:
            raise KafkaException(group.error)
    except KafkaException as error:
        raise KafkaUnavailableError(f"describe group: {error.args[0].name()}") from error
    return group


def _places_of(group: GroupMetadata) -> set[tuple[str, int]]:
    return {place for member in group.members for place in _assigned(member.assignment)}


def _assigned(assignment: bytes) -> Iterator[tuple[str, int]]:
    """What a member has, from its assignment as the broker keeps it (ConsumerProtocolAssignment: a version, then each
    topic's name and partitions, then bytes of the member's own)."""
    if not assignment:
        return
    _, topics = _ASSIGNMENT_HEAD.unpack_from(assignment)
    at = _ASSIGNMENT_HEAD.size
    for _ in range(topics):
        [name_bytes] = _NAME_BYTES.unpack_from(assignment, at)
        at += _NAME_BYTES.size
        name = assignment[at : at + name_bytes].decode()
        at += name_bytes
        [partitions] = _COUNT.unpack_from(assignment, at)
        at += _COUNT.size
        numbers = assignment[at : at + _COUNT.size * partitions]
        yield from ((name, number) for (number,) in _COUNT.iter_unpack(numbers))
        at += len(numbers)
