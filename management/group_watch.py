"""Every consumer group seen from outside, whether its members run or not: how far it is behind, when it loses data."""

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra import metrics
from infra.clock import MICROSECONDS, now_us
from infra.errors import KafkaUnavailableError
from infra.groups import ConsumerGroup, GroupReaders, consumer_groups, group_readers
from infra.kafka import admin_client
from infra.lag import Backlog, LagReader
from infra.settings import Settings
from infra.topics import ACTION_DEAD_LETTERS, REQUEST_DEAD_LETTERS, topic_retention_seconds
from management.horizon import Pace, data_loss_seconds, retention_left_seconds

#: One look at all groups; who has not answered by then is not known.
LOOK_SECONDS_MAX = 8.0
#: How often it looks by itself, so that metrics and paces are known.
WATCH_SECONDS = 15.0
#: After a look that left something unknown.
_AGAIN_SECONDS = 1.0
_ANSWER_SECONDS_MAX = 5.0
_ANSWER_SECONDS_MIN = 0.2
_DEAD_LETTERS = (REQUEST_DEAD_LETTERS, ACTION_DEAD_LETTERS)


@dataclass(frozen=True, slots=True)
class TopicView:
    """A topic of a group: its backlog, and how long until the group loses records of it (`horizon`)."""

    backlog: Backlog
    retention_seconds: float | None
    retention_left_seconds: float | None
    data_loss_seconds: float | None


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group at `at_us`. `last_commit_at_us` is when its offsets were seen to move, None where they have not yet;
    it has been watched since `watched_since_us`."""

    group: ConsumerGroup
    at_us: int
    readers: GroupReaders
    topics: tuple[TopicView, ...]
    last_commit_at_us: int | None
    watched_since_us: int


#: Every group, or in words why nothing is known of it.
Views = Sequence[tuple[ConsumerGroup, GroupView | str]]


class GroupWatch:
    """Asks the broker about every group: when asked to, and by itself from `start` on. For any number of threads.

    Each management process has its own, so that whoever comes to lead some work already knows the paces.
    Close it when done.
    """

    def __init__(self, settings: Settings) -> None:
        self._admin = admin_client(settings.kafka, "hookline-management")
        self._readers = {
            group: LagReader(settings.kafka, group.group_id, group.topics) for group in consumer_groups(settings)
        }
        self._dead_letters = LagReader(settings.kafka, "hookline-dead-letters", _DEAD_LETTERS)
        self._paces: dict[tuple[str, str], Pace] = {}
        self._commits: dict[str, _Commits] = {}
        self._asking = threading.Lock()
        self._seen: Views = ()
        self._seen_at = -math.inf
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="group-watch", daemon=True)

    def start(self) -> None:
        """Begin to look by itself; returns at once."""
        self._thread.start()

    def look(self, *, age_seconds_max: float = 0.0) -> Views:
        """What there is now, or was found no longer ago than that; the metrics show the same afterwards.

        What could not be told is asked again soon, whatever its age may be. After `close` it is what was found last.
        """
        with self._asking:
            age_seconds = age_seconds_max if self._is_whole() else min(age_seconds_max, _AGAIN_SECONDS)
            if not self._stopping.is_set() and time.monotonic() - self._seen_at > age_seconds:
                self._seen = self._ask()
                self._seen_at = time.monotonic()
            return self._seen

    def seen(self) -> Views:
        """What was found last; it never waits, and is no older than WATCH_SECONDS while the broker answers."""
        return self._seen

    def close(self) -> None:
        """Stop looking, let the connections go."""
        self._stopping.set()
        with self._asking:
            for reader in (*self._readers.values(), self._dead_letters):
                reader.close()

    def _keep_looking(self) -> None:
        while not self._stopping.is_set():
            self.look()
            self._stopping.wait(WATCH_SECONDS if self._is_whole() else _AGAIN_SECONDS)

    def _is_whole(self) -> bool:
        return not any(isinstance(view, str) for _, view in self._seen)

    def _ask(self) -> Views:
        deadline = time.monotonic() + LOOK_SECONDS_MAX
        views = [(group, self._view_or_reason(group, reader, deadline)) for group, reader in self._readers.items()]
        reasons = [view for _, view in views if isinstance(view, str)]
        for _, view in views:
            if isinstance(view, GroupView):
                _show(view)
        try:
            for backlog in self._dead_letters.backlogs(timeout_seconds=_left(deadline)):
                metrics.DEAD_LETTERS_KEPT.labels(backlog.topic).set(backlog.records)
        except KafkaUnavailableError as error:
            reasons.append(str(error))
        metrics.STORE_AWAY.labels("kafka").set(int(bool(reasons)))
        if not reasons:
            metrics.LAST_WATCH.set_to_current_time()
        return views

    def _view_or_reason(self, group: ConsumerGroup, reader: LagReader, deadline: float) -> GroupView | str:
        try:
            backlogs = reader.backlogs(timeout_seconds=_left(deadline))
            readers = group_readers(self._admin, group.group_id, group.topics, timeout_seconds=_left(deadline))
            names = [backlog.topic for backlog in backlogs]
            kept = topic_retention_seconds(self._admin, names, timeout_seconds=_left(deadline))
        except KafkaUnavailableError as error:
            return f"Kafka: {error}"
        return self._view(group, readers, backlogs, kept)

    def _view(
        self,
        group: ConsumerGroup,
        readers: GroupReaders,
        backlogs: Sequence[Backlog],
        kept: Mapping[str, float | None],
    ) -> GroupView:
        at_us = now_us()
        topics = tuple(self._topic(group, backlog, kept[backlog.topic], at_us) for backlog in backlogs)
        committed = sum(backlog.committed for backlog in backlogs)
        commits = self._commits.setdefault(group.group_id, _Commits(committed, at_us))
        commits.note(committed, at_us)
        return GroupView(group, at_us, readers, topics, commits.last_at_us, commits.since_us)

    def _topic(self, group: ConsumerGroup, backlog: Backlog, kept: float | None, at_us: int) -> TopicView:
        pace = self._paces.setdefault((group.group_id, backlog.topic), Pace())
        if backlog.records == 0 or backlog.oldest_at_us is not None:
            pace.note(at_us, at_us if backlog.oldest_at_us is None else backlog.oldest_at_us)
        left = retention_left_seconds(backlog.oldest_at_us, kept, at_us)
        return TopicView(backlog, kept, left, data_loss_seconds(left, pace.rate()))


class _Commits:
    """When the offsets of a group were seen to move."""

    def __init__(self, committed: int, since_us: int) -> None:
        self.since_us = since_us
        self.last_at_us: int | None = None
        self._committed = committed

    def note(self, committed: int, at_us: int) -> None:
        if committed != self._committed:
            self._committed, self.last_at_us = committed, at_us


def _show(view: GroupView) -> None:
    group_id = view.group.group_id
    metrics.GROUP_MEMBERS.labels(group_id).set(view.readers.members)
    metrics.GROUP_UNREAD_TOPICS.labels(group_id).set(len(view.readers.unread or ()))
    metrics.GROUP_LAST_COMMIT.labels(group_id).set((view.last_commit_at_us or view.watched_since_us) / MICROSECONDS)
    for topic in view.topics:
        oldest_at_us, labels = topic.backlog.oldest_at_us, (group_id, topic.backlog.topic)
        age_seconds = 0.0 if oldest_at_us is None else max(0, view.at_us - oldest_at_us) / MICROSECONDS
        metrics.GROUP_LAG_RECORDS.labels(*labels).set(topic.backlog.records)
        metrics.GROUP_OLDEST_SECONDS.labels(*labels).set(age_seconds)
        metrics.GROUP_RETENTION_LEFT_SECONDS.labels(*labels).set(_or_never(topic.retention_left_seconds))
        metrics.GROUP_DATA_LOSS_SECONDS.labels(*labels).set(_or_never(topic.data_loss_seconds))
        metrics.GROUP_LOST_RECORDS.labels(*labels).set(topic.backlog.lost_records)


def _or_never(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds


def _left(deadline: float) -> float:
    return min(_ANSWER_SECONDS_MAX, max(_ANSWER_SECONDS_MIN, deadline - time.monotonic()))
