"""Records read at their places and published again, on a real broker: ranges, gaps, and what retention deleted."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from hookline.embedded.kafka import KafkaBroker
from infra.errors import KafkaUnavailableError
from infra.kafka import Outbox, PolledProducer, admin_client
from infra.settings import KafkaSettings
from infra.transactions import FencedProducer, KeyedRecord
from management.replaying.places import FoundRecord, Lost, OffsetRange, Place
from management.replaying.publishing import RecordPublisher
from management.replaying.reading import DELETED, RecordReader, ScanStep
from management.webhook_tests.records import RawRecord
from schemas.headers import DeliveryHeaders, decode
from schemas.records import RequestFacts
from tests.support.requests import TENANT_ID, WEBHOOK_ID, alert_request
from tests.support.wait import eventually

SECONDS_MAX = 60.0
FACTS = RequestFacts(method="POST", path="/", source_ip="127.0.0.1")


@pytest.fixture(scope="module")
def settings(kafka: KafkaBroker) -> KafkaSettings:
    return KafkaSettings(bootstrap=kafka.bootstrap)


@pytest.fixture(scope="module")
def admin(settings: KafkaSettings) -> AdminClient:
    return admin_client(settings, "test-replays")


@pytest.fixture
def topic(admin: AdminClient) -> Iterator[str]:
    """Of two partitions, of its test alone."""
    name = f"test.replays-{uuid4().hex[:8]}.recorded.v1"
    admin.create_topics([NewTopic(name, num_partitions=2)])[name].result(30)
    yield name
    admin.delete_topics([name])[name].result(30)


@pytest.fixture
def reader(settings: KafkaSettings) -> Iterator[RecordReader]:
    with RecordReader(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def publisher(settings: KafkaSettings) -> Iterator[RecordPublisher]:
    opened = RecordPublisher(settings, "test-replays")
    yield opened
    opened.close()


def record(topic: str, delivery_id: str, partition: int = 0) -> RawRecord:
    headers = DeliveryHeaders(
        delivery_id, TENANT_ID, WEBHOOK_ID, 1, 1_790_000_000_000_000, FACTS.model_dump_json().encode()
    )
    return RawRecord(topic, b"key", delivery_id.encode(), headers, FACTS, partition)


def publish(publisher: RecordPublisher, topic: str, count: int, partition: int = 0) -> list[Place]:
    return publisher.publish([record(topic, f"d-{number}", partition) for number in range(count)])


def ids(step: ScanStep) -> list[str]:
    return [found.headers.delivery_id for found in step.records]


def _marked(reader: RecordReader, topic: str) -> dict[int, int]:
    """Ends, once one record and the mark of its transaction are there."""
    ends = {number: end for number, (_, end) in reader.bounds(topic).items()}
    return ends if sum(ends.values()) == 1_502 else {}


def delete(admin: AdminClient, topic: str, before: int) -> None:
    cut = TopicPartition(topic, 0, before)
    admin.delete_records([cut])[cut].result(30)


def test_records_stand_in_their_partition_in_the_order_they_were_given(
    publisher: RecordPublisher, reader: RecordReader, topic: str
) -> None:
    places = publish(publisher, topic, 40) + publish(publisher, topic, 3, partition=1)
    assert places == [Place(topic, 0, n) for n in range(40)] + [Place(topic, 1, n) for n in range(3)]
    assert reader.bounds(topic) == {0: (0, 40), 1: (0, 3)}
    assert reader.bounds(f"{topic}.none") == {}
    found = reader.read(places[::-1], seconds_max=SECONDS_MAX)
    assert set(found) == set(places)
    assert [str(found[place].value, "utf-8") for place in places[:40]] == [f"d-{n}" for n in range(40)]  # type: ignore[union-attr]
    one = found[places[7]]
    assert isinstance(one, FoundRecord)
    assert (one.key, one.headers.delivery_id, one.facts, one.timestamp_ms) == (b"key", "d-7", FACTS, 1_790_000_000_000)


def test_places_far_apart_and_without_a_record_are_told_apart(
    settings: KafkaSettings, publisher: RecordPublisher, reader: RecordReader, admin: AdminClient, topic: str
) -> None:
    publish(publisher, topic, 1_500)
    delete(admin, topic, 10)
    fenced = FencedProducer(settings, transactional_id=f"test-{topic}", client_id="test", timeout_seconds=30)
    fenced.publish(topic, [KeyedRecord(b"k", b"v")])
    fenced.close()
    ends = eventually(lambda: _marked(reader, topic), timeout_seconds=SECONDS_MAX, what="the transaction's mark")
    marked, end = next((number, end) for number, end in ends.items() if end not in {0, 1_500})
    mark = Place(topic, marked, end - 1)
    wanted = [*(Place(topic, 0, offset) for offset in (9, 10, 11, 1_400)), mark, Place(topic, 0, 9_999)]
    found = reader.read([*wanted, Place(topic, 7, 0)], seconds_max=SECONDS_MAX)
    reasons = {place.offset: one.reason for place, one in found.items() if isinstance(one, Lost)}
    assert reasons == {
        9: DELETED,
        mark.offset: "no record stands there",
        9_999: "the topic does not reach so far",
        0: "the topic has no such partition",
    }
    again = reader.read([mark], seconds_max=SECONDS_MAX)
    assert isinstance(again[mark], Lost), "the end is told once more"
    values = [found[place] for place in wanted[1:4]]
    assert [one.value for one in values if isinstance(one, FoundRecord)] == [b"d-10", b"d-11", b"d-1400"]


def test_a_range_is_read_on_from_where_the_last_step_ended_and_its_deleted_head_is_reported(
    publisher: RecordPublisher, reader: RecordReader, admin: AdminClient, topic: str
) -> None:
    publish(publisher, topic, 30)
    wanted = OffsetRange(topic, 0, 5, 22)
    first = reader.scan(wanted, records_max=4)
    assert (ids(first), first.lost, first.next_offset, first.is_done) == (["d-5", "d-6", "d-7", "d-8"], [], 9, False)
    delete(admin, topic, 12)
    second = reader.scan(wanted._replace(first=first.next_offset), records_max=4)
    assert ids(second) == ["d-12", "d-13", "d-14", "d-15"]
    assert second.lost == [Lost(OffsetRange(topic, 0, 9, 11), DELETED)]
    last = reader.scan(wanted._replace(first=second.next_offset), records_max=100)
    assert (ids(last), last.next_offset, last.is_done) == ([f"d-{n}" for n in range(16, 23)], 23, True)
    gone = reader.scan(OffsetRange(topic, 0, 0, 8), records_max=100)
    assert (gone.records, gone.lost, gone.next_offset, gone.is_done) == (
        [],
        [Lost(OffsetRange(topic, 0, 0, 8), DELETED)],
        9,
        True,
    )
    beyond = reader.scan(OffsetRange(topic, 0, 28, 99), records_max=100)
    assert (ids(beyond), beyond.next_offset, beyond.is_done) == (["d-28", "d-29"], 30, True)
    publish(publisher, topic, 3)
    grown = reader.scan(OffsetRange(topic, 0, beyond.next_offset, 99), records_max=100)
    assert (ids(grown), grown.next_offset) == (["d-0", "d-1", "d-2"], 33)
    nowhere = reader.scan(OffsetRange(topic, 9, 1, 2), records_max=100)
    assert (nowhere.is_done, [one.reason for one in nowhere.lost]) == (True, ["the topic has no such partition"])


def test_a_record_whose_headers_cannot_be_read_is_lost_with_the_reason_and_stops_nothing(
    settings: KafkaSettings, publisher: RecordPublisher, reader: RecordReader, topic: str
) -> None:
    publish(publisher, topic, 1)
    producer = PolledProducer(settings, client_id="test", ack_timeout_seconds=30)
    outbox = Outbox(producer)
    request = alert_request("a-1")
    headers = [(name, b"[]" if name == "hookline-request" else value) for name, value in request.message["headers"]]
    outbox.send(topic, value=b"x", partition=0)
    outbox.send(topic, value=b"x", headers=headers, partition=0)
    outbox.wait(30)
    producer.close(5)
    publish(publisher, topic, 1)
    step = reader.scan(OffsetRange(topic, 0, 0, 99), records_max=100)
    assert ids(step) == ["d-0", "d-0"]
    assert [(one.where, one.reason) for one in step.lost] == [
        (Place(topic, 0, 1), "its headers cannot be read: header hookline-delivery-id is missing"),
        (Place(topic, 0, 2), "its header hookline-request cannot be read: 1 problems"),
    ]
    messages = reader.read_messages([Place(topic, 0, 2)], seconds_max=SECONDS_MAX)
    message = messages[Place(topic, 0, 2)]
    assert not isinstance(message, Lost)
    assert decode(message.headers()).delivery_id == request.delivery_id


def test_a_batch_of_which_one_record_cannot_be_written_is_an_error_once_all_the_others_are(
    publisher: RecordPublisher, reader: RecordReader, topic: str
) -> None:
    batch = [record(topic, "d-0"), record(topic, "d-1", partition=77), record(topic, "d-2")]
    with pytest.raises(KafkaUnavailableError, match=f"produce to {topic}"):
        publisher.publish(batch)
    written = reader.bounds(topic)[0][1]
    assert written in {1, 2}  # a client that knows the partitions takes no further records after the one it refuses
    publish(publisher, topic, 1)
    assert reader.bounds(topic)[0][1] == written + 1, "what was written was known to be written by then"


def test_who_reads_too_long_is_told_so(publisher: RecordPublisher, reader: RecordReader, topic: str) -> None:
    places = publish(publisher, topic, 1)
    with pytest.raises(KafkaUnavailableError, match="was not read in time"):
        reader.read(places, seconds_max=0)
