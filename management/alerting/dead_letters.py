"""How many records each webhook lost to the dead-letter topics of late, read off these topics themselves.

Nothing is stored: whoever begins reads the last hours again and comes to the same counts.
"""

from collections import Counter
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from infra.clock import MICROSECONDS
from infra.errors import KafkaUnavailableError
from infra.kafka import offsets_from
from infra.settings import KafkaSettings
from management.dead_letters.reading import letter_consumer, letter_of, letter_partitions

_CLIENT_ID = "hookline-management-dead-letter-alerts"
_ANSWER_SECONDS_MAX = 5.0
_CONSUME_SECONDS = 0.2
_CONSUME_RECORDS_MAX = 200
_READS_MAX = 40
_KEPT_MINUTES = 360
_MINUTE_US = 60 * MICROSECONDS

#: (tenant, webhook, topic); None where the record does not say.
Owner = tuple[UUID | None, UUID | None, str]


class DeadLetters:
    """Not for two threads. Methods raise KafkaUnavailableError; make a new one then."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._consumer = letter_consumer(settings, _CLIENT_ID)
        self._minutes: dict[int, Counter[Owner]] = {}
        self._behind: set[tuple[str | None, int | None]] | None = None

    def read(self, now_us: int) -> bool:
        """Go on, within bounds; whether everything there was is counted by now."""
        try:
            if self._behind is None:
                self._begin(now_us - _KEPT_MINUTES * _MINUTE_US)
            for _ in range(_READS_MAX):
                messages = self._consumer.consume(_CONSUME_RECORDS_MAX, _CONSUME_SECONDS)
                for message in messages:
                    self._take(message)
                if not self._behind and not messages:
                    break
        except KafkaException as error:
            raise KafkaUnavailableError(f"dead letters: {error.args[0].str()}") from error
        oldest = now_us // _MINUTE_US - _KEPT_MINUTES
        self._minutes = {minute: found for minute, found in self._minutes.items() if minute >= oldest}
        return not self._behind

    def counts(self, window_minutes: int, now_us: int) -> Counter[Owner]:
        """Records by owner in the window, to the minute."""
        since = now_us // _MINUTE_US - window_minutes
        total: Counter[Owner] = Counter()
        for minute, found in self._minutes.items():
            if minute > since:
                total.update(found)
        return total

    def close(self) -> None:
        """Let the connections go."""
        self._consumer.close()

    def _begin(self, since_us: int) -> None:
        partitions = letter_partitions(self._consumer)
        starts = offsets_from(self._consumer, partitions, since_us, timeout_seconds=_ANSWER_SECONDS_MAX)
        self._consumer.assign([TopicPartition(*one, offset) for one, offset in starts.items()])
        self._behind = set(starts)

    def _take(self, message: Message) -> None:
        place = (message.topic(), message.partition())
        error = message.error()
        if error is None:
            minute = message.timestamp()[1] * 1_000 // _MINUTE_US
            self._minutes.setdefault(minute, Counter())[_owner_of(message)] += 1
        elif error.code() == KafkaError._PARTITION_EOF:
            assert self._behind is not None  # noqa: S101 - it has begun
            self._behind.discard(place)
        else:
            raise KafkaException(error)


def _owner_of(message: Message) -> Owner:
    """An alert is about a webhook: a letter that names none is the operator's."""
    letter = letter_of(message)
    tenant_id, webhook_id, _ = letter.owner
    if tenant_id is None or webhook_id is None:
        return None, None, letter.place.topic
    return tenant_id, webhook_id, letter.place.topic
