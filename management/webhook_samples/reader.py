"""The raw topics from a moment on, outside of any consumer group."""

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra.errors import KafkaUnavailableError
from infra.kafka import consumer_properties, offsets_from
from infra.settings import KafkaSettings
from infra.topics import EXPEDITED, RECEIVED
from management.webhook_samples.watch import Ends, Partition

_CLIENT_ID = "hookline-management-samples"
_CONSUME_RECORDS_MAX = 200
_CONSUME_SECONDS = 0.1
_ANSWER_SECONDS_MAX = 5.0
_QUEUED_KIBIBYTES_MAX = 16_384


class RawReader:
    """Not for two threads. Methods raise KafkaUnavailableError when the broker does not answer; make a new one then."""

    def __init__(self, settings: KafkaSettings) -> None:
        properties = consumer_properties(settings, _CLIENT_ID, _CLIENT_ID) | {
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
            "queued.max.messages.kbytes": _QUEUED_KIBIBYTES_MAX,
        }
        self._consumer = Consumer(properties)
        self._positions: dict[Partition, int] = {}

    def rewind(self, at_us: int) -> None:
        """Read what was received from `at_us` on, and nothing twice that need not be."""
        try:
            starts = offsets_from(self._consumer, self._partitions(), at_us, timeout_seconds=_ANSWER_SECONDS_MAX)
            for key, offset in starts.items():
                self._positions[key] = min(offset, self._positions.get(key, offset))
            self._consumer.assign([TopicPartition(*key, offset) for key, offset in self._positions.items()])
        except KafkaException as error:
            raise _unavailable(error) from error

    def read(self) -> list[Message]:
        """The next records, waiting a moment for them."""
        records: list[Message] = []
        try:
            for message in self._consumer.consume(_CONSUME_RECORDS_MAX, _CONSUME_SECONDS):
                key, error = (message.topic(), message.partition()), message.error()
                if error is None:
                    self._positions[key] = message.offset() + 1
                    records.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    self._positions[key] = max(self._positions[key], message.offset())
                else:
                    raise KafkaException(error)
        except KafkaException as error:
            raise _unavailable(error) from error
        return records

    def ends(self) -> Ends:
        """Where each partition ends now."""
        try:
            return {key: self._end(key) for key in self._positions}
        except KafkaException as error:
            raise _unavailable(error) from error

    def has_read(self, ends: Ends) -> bool:
        """Whether everything up to `ends` was read."""
        return all(self._positions.get(key, 0) >= end for key, end in ends.items())

    def close(self) -> None:
        """Let the connections go."""
        self._consumer.close()

    def _partitions(self) -> list[Partition]:
        topics = self._consumer.list_topics(timeout=_ANSWER_SECONDS_MAX).topics
        missing = [name for name in (RECEIVED, EXPEDITED) if name not in topics]
        if missing:
            raise KafkaUnavailableError(f"raw topics: {missing[0]} is missing")
        return [(name, number) for name in (RECEIVED, EXPEDITED) for number in topics[name].partitions]

    def _end(self, key: Partition) -> int:
        return int(self._consumer.get_watermark_offsets(TopicPartition(*key), timeout=_ANSWER_SECONDS_MAX)[1])


def _unavailable(error: KafkaException) -> KafkaUnavailableError:
    return KafkaUnavailableError(f"raw topics: {error.args[0].str()}")
