"""Whether the log has what had come when a job was asked for: what it lacks could not be selected."""

from uuid import UUID

from infra.groups import ANALYTICS_TOPICS, analytics_group_id
from infra.lag import Ends, LagReader
from infra.settings import Settings
from management.replay_jobs.jobs import Job

#: Requests, and how they ended: filters ask for both.
_CONSUMERS = ("requests", "outcomes")
_ANSWER_SECONDS_MAX = 5.0


class LogProgress:
    """For one thread; close it when done. Raises KafkaUnavailableError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._readers: list[LagReader] = []
        self._ends: dict[UUID, list[Ends]] = {}

    def has_all(self, job: Job) -> bool:
        """Whether everything is in the log that was in its topics when this was first asked for the job."""
        if not self._readers:
            self._readers = [self._reader(consumer) for consumer in _CONSUMERS]
        if job.id not in self._ends:
            self._ends[job.id] = [reader.ends(timeout_seconds=_ANSWER_SECONDS_MAX) for reader in self._readers]
        waited_for = zip(self._readers, self._ends[job.id], strict=True)
        if any(reader.is_before(ends, timeout_seconds=_ANSWER_SECONDS_MAX) for reader, ends in waited_for):
            return False
        del self._ends[job.id]
        return True

    def close(self) -> None:
        """Let the connections go."""
        for reader in self._readers:
            reader.close()
        self._readers = []

    def _reader(self, consumer: str) -> LagReader:
        group_id = analytics_group_id(self._settings.analytics, consumer)
        return LagReader(self._settings.kafka, group_id, ANALYTICS_TOPICS[consumer])
