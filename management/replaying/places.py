"""Places in topics, as text and as numbers, and what is found at one. Pure."""

import re
from typing import NamedTuple

from infra.topics import EXPEDITED, RECEIVED
from schemas.headers import DeliveryHeaders
from schemas.records import RequestFacts

#: Where requests stand: only they can be replayed.
RAW_TOPICS = (RECEIVED, EXPEDITED)
_RANGE = re.compile(r"([^:]{1,249}):([0-9]{1,9}):([0-9]{1,18})-([0-9]{1,18})")


class Place(NamedTuple):
    """One record's. As text `topic:partition:offset`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


class OffsetRange(NamedTuple):
    """Offsets of one partition, both ends included. As text `topic:partition:first-last`."""

    topic: str
    partition: int
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.first}-{self.last}"


class FoundRecord(NamedTuple):
    """A request's record, as it was written. `timestamp_ms` is the record's own, since the epoch.

    `is_stored`: it is no longer in Kafka, and was put together from the log.
    """

    place: Place
    key: bytes
    value: bytes
    headers: DeliveryHeaders
    timestamp_ms: int
    facts: RequestFacts
    is_stored: bool = False


class Lost(NamedTuple):
    """What cannot be replayed any more, and why in words. `where` is None for what never had a known place."""

    where: Place | OffsetRange | None
    reason: str


def parse_range(text: str) -> OffsetRange:
    """The range that `text` names. Raises ValueError that says what is wrong with it."""
    matched = _RANGE.fullmatch(text)
    if matched is None:
        raise ValueError(f"{text[:300]!r} is not topic:partition:first-last")
    topic, *numbers = matched.groups()
    if topic not in RAW_TOPICS:
        raise ValueError(f"{topic!r} is not one of {', '.join(RAW_TOPICS)}")
    partition, first, last = map(int, numbers)
    if last < first:
        raise ValueError(f"offsets {first}-{last} end before they begin")
    return OffsetRange(topic, partition, first, last)
