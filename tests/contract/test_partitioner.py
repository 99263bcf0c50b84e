"""A key goes to one partition, whoever produces it: librdkafka as we set it up, and aiokafka as Faust uses it."""

import random
from collections import Counter

import pytest
from aiokafka.partitioner import DefaultPartitioner
from confluent_kafka.admin import NewTopic

from hookline.embedded.kafka import KafkaBroker
from infra.kafka import PolledProducer, admin_client
from infra.settings import KafkaSettings
from schemas.keys import request_key

KEYS = 10_000
PARTITIONS = (8, 7)


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_ten_thousand_request_keys_go_where_the_processors_put_them(kafka: KafkaBroker, partitions: int) -> None:
    settings = KafkaSettings(bootstrap=kafka.bootstrap)
    topic = f"test.partitioner.compared{partitions}.v1"
    admin = admin_client(settings, "test")
    for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result(30)
    source = random.Random(7)
    keys = [request_key("tenant", "webhook", str(source.random())) for _ in range(KEYS)]
    found: dict[bytes, int] = {}

    def report(error: object, message: object) -> None:
        assert error is None
        found[message.key()] = message.partition()  # type: ignore[attr-defined]  # confluent-kafka is not typed here

    producer = PolledProducer(settings, client_id="test", ack_timeout_seconds=30)
    for key in keys:
        producer.produce(topic, key=key, value=b"", on_delivery=report)
    assert producer.close(30) == 0

    everywhere = list(range(partitions))
    place = DefaultPartitioner()
    expected = {key: place(key, everywhere, everywhere) for key in keys}
    assert found == expected
    assert len(Counter(found.values())) == partitions
