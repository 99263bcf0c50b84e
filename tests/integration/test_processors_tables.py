"""Table recovery from the changelog, and the faults of stock Faust that the host does not share."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic
from faust.transport.consumer import Consumer as StockConsumer
from faust.types.tuples import TP

from hookline.embedded.kafka import KafkaBroker
from infra.kafka import Outbox, PolledProducer, admin_client
from infra.settings import KafkaSettings
from infra.topics import topic_incarnations
from processors.host.progress import Partition, Progress
from processors.host.restore import Changelog
from processors.host.table import PartitionTable, short_incarnation
from tests.support.pipeline import RocksStore
from tests.support.wait import eventually

_PARTITIONS = 2
_TIMEOUT = 30.0


class ChangelogTopic:
    """A compacted topic with one producer."""

    def __init__(self, broker: KafkaBroker, name: str) -> None:
        self.settings = KafkaSettings(bootstrap=broker.bootstrap)
        self.name = name
        self.admin = admin_client(self.settings, "test")
        self.create()
        self.producer = PolledProducer(self.settings, client_id="test", ack_timeout_seconds=_TIMEOUT)

    def create(self) -> None:
        topic = NewTopic(self.name, num_partitions=_PARTITIONS, config={"cleanup.policy": "compact,delete"})
        self.admin.create_topics([topic])[self.name].result(_TIMEOUT)

    def write(self, *entries: tuple[int, bytes, bytes | None]) -> None:
        """Changelog records: partition, key, value."""
        outbox = Outbox(self.producer)
        for partition, key, value in entries:
            outbox.send(self.name, key=key, value=value, partition=partition)
        outbox.wait(_TIMEOUT)

    def changelog(self, store: RocksStore) -> Changelog:
        incarnation = topic_incarnations(self.admin, [self.name])[self.name]
        return Changelog(self.settings, self.name, short_incarnation(incarnation), store)


@pytest.fixture
def topic(kafka: KafkaBroker, request: pytest.FixtureRequest) -> Any:
    made = ChangelogTopic(kafka, f"test.changelog.{request.node.name[:60]}")
    yield made
    made.producer.close(5)


def _contents(store: RocksStore) -> dict[bytes, bytes]:
    return {
        key: value
        for partition in range(_PARTITIONS)
        for key, value in PartitionTable(store, partition, changelog_end=0).scan(b"", 1_000_000)
    }


def _restore(topic: ChangelogTopic, store: RocksStore) -> int:
    restored = topic.changelog(store).restore(list(range(_PARTITIONS)), threading.Event())
    assert restored.complete
    return restored.records


def test_a_table_rebuilt_from_nothing_equals_the_one_that_was_lost(topic: ChangelogTopic, tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "first")
    tables = [PartitionTable(store, partition, changelog_end=0) for partition in range(_PARTITIONS)]
    for batch in range(60):
        table = tables[batch % _PARTITIONS]
        writes, outbox = table.begin(), Outbox(topic.producer)
        for number in range(batch * 50, batch * 50 + 50):
            writes.put(b"key-%d" % (number % 700), b"value-%d" % number)
            if number % 11 == 0:
                writes.delete(b"key-%d" % (number % 700))
        for key, value in writes.changes.items():
            outbox.send(topic.name, key=key, value=value, partition=table.partition)
        outbox.wait(_TIMEOUT)
        table.apply(writes)
    rebuilt = RocksStore(tmp_path / "second")
    _restore(topic, rebuilt)
    assert _contents(rebuilt) == _contents(store)
    assert len(_contents(rebuilt)) > 500


def test_recovery_reads_only_what_the_local_database_lacks(topic: ChangelogTopic, tmp_path: Path) -> None:
    store = RocksStore(tmp_path)
    topic.write(*[(0, b"a-%d" % n, b"1") for n in range(100)])
    assert _restore(topic, store) == 100
    topic.write((0, b"a-5", None), (1, b"b", b"2"))
    assert _restore(topic, store) == 2
    assert _contents(store).keys() == {b"a-%d" % n for n in range(100) if n != 5} | {b"b"}


def test_recovery_starts_at_the_first_offset_that_exists(topic: ChangelogTopic, tmp_path: Path) -> None:
    """Stock Faust seeks to an offset that retention or compaction has removed, and waits (#176)."""
    store = RocksStore(tmp_path)
    topic.write(*[(0, b"old-%d" % n, b"1") for n in range(50)])
    _restore(topic, store)
    topic.write(*[(0, b"gone-%d" % n, b"1") for n in range(50)])
    cut = TopicPartition(topic.name, 0, 100)
    topic.admin.delete_records([cut])[cut].result(_TIMEOUT)
    topic.write((0, b"kept", b"1"))
    assert _restore(topic, store) == 1
    assert b"kept" in _contents(store)


def test_a_database_of_a_topic_that_was_made_anew_is_rebuilt(topic: ChangelogTopic, tmp_path: Path) -> None:
    store = RocksStore(tmp_path)
    topic.write(*[(0, b"stale-%d" % n, b"1") for n in range(20)])
    _restore(topic, store)
    topic.admin.delete_topics([topic.name])[topic.name].result(_TIMEOUT)
    _create_again(topic)
    topic.write(*[(0, b"fresh-%d" % n, b"1") for n in range(30)])
    _restore(topic, store)
    assert _contents(store).keys() == {b"fresh-%d" % n for n in range(30)}


def _create_again(topic: ChangelogTopic) -> None:
    def created() -> bool:
        try:
            topic.create()
        except KafkaException:
            return False
        return True

    eventually(created, timeout_seconds=_TIMEOUT, what="the deleted topic to be gone")


def test_a_cancelled_recovery_says_that_it_is_not_complete(topic: ChangelogTopic, tmp_path: Path) -> None:
    topic.write((0, b"a", b"1"))
    cancelled = threading.Event()
    cancelled.set()
    assert not topic.changelog(RocksStore(tmp_path)).restore([0, 1], cancelled).complete


class _StockConsumer(StockConsumer):  # type: ignore[misc]  # Faust is not typed
    """Stock bookkeeping of faust-streaming 0.15.3 over a broker that refuses every commit."""

    in_transaction = False
    log = SimpleNamespace(dev=lambda *_: None, info=lambda *_: None)

    def __init__(self, tp: TP) -> None:
        self._tp = tp
        self._committed_offset: dict[TP, int] = {}
        monitor = SimpleNamespace(on_tp_commit=lambda _: None)
        self.app = SimpleNamespace(producer=SimpleNamespace(flush=_nothing), monitor=monitor)

    def assignment(self) -> set[TP]:
        return {self._tp}

    async def _commit(self, offsets: Any) -> bool:
        return False


_StockConsumer.__abstractmethods__ = frozenset()


async def _nothing() -> None:
    """Nothing to flush."""


async def test_stock_faust_takes_a_refused_commit_for_done_and_the_host_does_not() -> None:
    """The reason why the host keeps its own bookkeeping (#316)."""
    tp = TP("requests", 0)
    stock = _StockConsumer(tp)
    assert await stock._commit_offsets({tp: 5}) is False
    assert stock._committed_offset == {tp: 5}, "stock Faust waits now: reconsider ours"
    progress = Progress({Partition("requests", 0): 0})
    progress.hand_out(Partition("requests", 0), 0, 5)
    progress.finish(Partition("requests", 0), 5)
    assert progress.uncommitted() == {Partition("requests", 0): 5}
