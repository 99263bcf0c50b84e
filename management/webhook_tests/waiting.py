"""What a pending test waits for, in words: who has not read it yet, and whether they run at all."""

import threading

from confluent_kafka.admin import AdminClient

from infra.errors import KafkaUnavailableError
from infra.groups import ConsumerGroup, consumer_groups, group_readers
from infra.kafka import admin_client
from infra.lag import LagReader
from infra.settings import Settings
from management.replaying.places import Place

_ANSWER_SECONDS_MAX = 2.0
_ROLES = ("processors", "actions")


class PendingReasons:
    """One question at a time: the readers are not shared between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._groups = {group.role: group for group in consumer_groups(settings) if group.role in _ROLES}
        self._admin: AdminClient | None = None
        self._readers: dict[str, LagReader] = {}
        self._asking = threading.Lock()

    def explain(self, place: Place) -> list[str]:
        """Sentences that begin with the part waited for. Never empty."""
        with self._asking:
            try:
                if not self._reader("processors").has_committed(*place, timeout_seconds=_ANSWER_SECONDS_MAX):
                    return [self._state("processors", "the request was not processed yet")]
                lag = self._reader("actions").by_topic(timeout_seconds=_ANSWER_SECONDS_MAX)
                if any(lag.values()):
                    return [self._state("actions", f"{sum(lag.values())} actions are not run yet")]
                return ["outcome: every part is done, its record is on its way"]
            except KafkaUnavailableError as error:
                return [f"Kafka: {error}"]

    def close(self) -> None:
        """Let the connections go."""
        with self._asking:
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()
            self._admin = None

    def _state(self, role: str, what: str) -> str:
        if self._admin is None:
            self._admin = admin_client(self._settings.kafka, "hookline-management-tests")
        group = self._groups[role]
        readers = group_readers(self._admin, group.group_id, group.topics, timeout_seconds=_ANSWER_SECONDS_MAX)
        if not readers.members:
            who = "none is running, or none has joined its group yet"
        elif readers.unread:
            who = f"none reads {', '.join(readers.unread)}"
        else:
            who = f"{readers.members} in its group"
        return f"{role}: {what}; {who}"

    def _reader(self, role: str) -> LagReader:
        if role not in self._readers:
            group: ConsumerGroup = self._groups[role]
            self._readers[role] = LagReader(self._settings.kafka, group.group_id, group.topics)
        return self._readers[role]
