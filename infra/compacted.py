"""A topic read once from its beginning to its end, without a group and without keeping it in memory."""

import time
from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra.errors import KafkaUnavailableError
from infra.kafka import consumer_properties
from infra.settings import KafkaSettings

_CONSUME_RECORDS_MAX = 500
_CONSUME_SECONDS = 0.5
_METADATA_SECONDS = 5.0
_SILENCE_SECONDS_MAX = 8.0


def read_to_end(settings: KafkaSettings, topic: str, *, client_id: str) -> Iterator[Message]:
    """Every committed record that is in the topic now, each partition in its order; of a key the last one counts.

    Raises KafkaUnavailableError, also when the broker says nothing for a while.
    """
    properties = consumer_properties(settings, client_id, client_id) | {"enable.partition.eof": True}
    consumer = Consumer(properties)
    try:
        yield from _read(consumer, topic)
    except KafkaException as error:
        raise KafkaUnavailableError(f"read {topic}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _read(consumer: Consumer, topic: str) -> Iterator[Message]:
    found = consumer.list_topics(topic, timeout=_METADATA_SECONDS).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    waiting = set(found.partitions)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in waiting])
    heard_at = time.monotonic()
    while waiting:
        for message in consumer.consume(_CONSUME_RECORDS_MAX, _CONSUME_SECONDS):
            heard_at = time.monotonic()
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                waiting.discard(message.partition())
            else:
                raise KafkaException(error)
        if time.monotonic() - heard_at > _SILENCE_SECONDS_MAX:
            raise KafkaUnavailableError(f"read {topic}: no record within {_SILENCE_SECONDS_MAX:.0f} s")
