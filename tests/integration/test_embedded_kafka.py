"""The embedded broker: starts, keeps its data, says what is wrong, and never blocks its next start."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from hookline.embedded import kafka as kafka_module
from hookline.embedded.errors import ChildDidNotStart, DataFolderCorrupt, DataFolderForeign, DataFolderInUse, PortInUse
from hookline.embedded.jars import ensure_kafka_jars
from hookline.embedded.java import class_archive, class_path_options, java_program
from hookline.embedded.kafka import CLASS_LIST, KafkaBroker, start_kafka
from tests.support.processes import await_gone, is_gone, mentioning, next_line, parent_of, python_process
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

TOPIC = "embedded.record.kept.v1"
PARENT = """
import sys, time
from pathlib import Path
from hookline.embedded.kafka import start_kafka
broker = start_kafka(Path(sys.argv[1]))
print(broker.pid, broker.bootstrap, flush=True)
time.sleep(600)
"""


def write(bootstrap: str, value: bytes) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    if TOPIC not in admin.list_topics(timeout=10).topics:
        admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(10)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    producer.produce(TOPIC, value)
    assert producer.flush(10) == 0


def read(bootstrap: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "kept", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    messages = consumer.consume(count, timeout=20)
    consumer.close()
    return [message.value() for message in messages]


def answers(broker: KafkaBroker, timeout_seconds: float) -> bool:
    try:
        AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0}).list_topics(timeout=timeout_seconds)
    except KafkaException:
        return False
    return True


def test_a_restart_keeps_records_and_ports_and_a_stop_leaves_no_process(tmp_path: Path) -> None:
    with start_kafka(tmp_path) as first:
        write(first.bootstrap, b"before")
    assert first.exit_code is not None
    assert mentioning(str(tmp_path)) == []
    with start_kafka(tmp_path) as second:
        assert (second.port, second.controller_port) == (first.port, first.controller_port)
        assert read(second.bootstrap, 1) == [b"before"]
    assert mentioning(str(tmp_path)) == []


def test_a_broker_comes_back_on_other_ports_when_its_own_are_taken(tmp_path: Path) -> None:
    with start_kafka(tmp_path) as first:
        write(first.bootstrap, b"before")
    with (
        socket.create_server(("127.0.0.1", first.port)),
        socket.create_server(("127.0.0.1", first.controller_port)),
        start_kafka(tmp_path) as second,
    ):
        assert second.port != first.port
        assert second.controller_port != first.controller_port
        assert read(second.bootstrap, 1) == [b"before"]
        write(second.bootstrap, b"after")
        assert read(second.bootstrap, 2) == [b"before", b"after"]


def test_a_killed_broker_has_kept_what_it_acknowledged_and_a_suspended_one_answers_nothing(tmp_path: Path) -> None:
    broker = start_kafka(tmp_path)
    write(broker.bootstrap, b"acknowledged")
    broker.suspend()
    assert not answers(broker, 1.5)
    broker.resume()
    assert answers(broker, 20)
    broker.kill()
    assert not broker.alive()
    with start_kafka(tmp_path, port=broker.port) as again:
        assert again.port == broker.port
        assert read(again.bootstrap, 1) == [b"acknowledged"]


def test_a_second_broker_on_a_held_folder_is_refused_with_the_holders_pid(kafka: KafkaBroker) -> None:
    with pytest.raises(DataFolderInUse, match=rf"process {os.getpid()}"):
        start_kafka(kafka.data_dir)
    assert answers(kafka, 10)


@pytest.mark.parametrize("asked", ["port", "controller_port"])
def test_a_port_that_is_taken_is_named_and_the_folder_let_go(tmp_path: Path, asked: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        for _ in range(2):
            with pytest.raises(PortInUse, match=f"port {taken} ") as caught:
                start_kafka(tmp_path, **{asked: taken})
            assert caught.value.port == taken


def test_a_folder_of_someone_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"sea")
    with pytest.raises(DataFolderForeign, match=r"holiday\.jpg"):
        start_kafka(tmp_path)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"sea"


@pytest.fixture(scope="module")
def used_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a broker that ran once."""
    folder = tmp_path_factory.mktemp("used")
    start_kafka(folder).stop()
    return folder


def spoil_description(folder: Path) -> None:
    (folder / "records" / "meta.properties").write_bytes(os.urandom(64))


def spoil_metadata(folder: Path) -> None:
    for log in (folder / "records" / "__cluster_metadata-0").glob("*.log"):
        log.write_bytes(bytes(log.stat().st_size))


def swap_identity(folder: Path) -> None:
    meta = folder / "records" / "meta.properties"
    meta.write_text(meta.read_text().replace("directory.id=", "directory.id=x"))


@pytest.mark.parametrize("spoil", [spoil_description, spoil_metadata, swap_identity])
def test_a_damaged_folder_is_reported_with_what_to_do(
    used_folder: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = tmp_path / "kafka"
    shutil.copytree(used_folder, folder)
    spoil(folder)
    with pytest.raises(DataFolderCorrupt, match="Restore it from a copy") as caught:
        start_kafka(folder)
    assert str(folder) in str(caught.value)
    assert mentioning(str(folder)) == []


def test_a_broker_that_stays_silent_is_stopped_at_the_deadline_with_its_log_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_module, "START_SECONDS_MAX", 0.1)
    with pytest.raises(ChildDidNotStart, match="no metadata answer within"):
        start_kafka(tmp_path)
    assert mentioning(str(tmp_path)) == []


def test_a_broker_that_cannot_run_shows_the_tail_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(ChildDidNotStart, match="Too small maximum heap") as caught:
        start_kafka(tmp_path, heap_mebibytes=1)
    assert "exit code 1" in str(caught.value)


def test_after_kill_9_of_the_parent_the_same_folder_starts_at_once_with_its_records(tmp_path: Path) -> None:
    with python_process(PARENT, str(tmp_path)) as parent:
        pid_text, bootstrap = next_line(parent).split()
        write(bootstrap, b"acknowledged")
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        with start_kafka(tmp_path) as broker:
            assert is_gone(int(pid_text))
            assert read(broker.bootstrap, 1) == [b"acknowledged"]
    assert mentioning(str(tmp_path)) == []


def test_after_kill_9_of_the_parent_nothing_is_left(tmp_path: Path) -> None:
    with python_process(PARENT, str(tmp_path)) as parent:
        pid = int(next_line(parent).split()[0])
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        await_gone(pid)
        eventually(lambda: mentioning(str(tmp_path)) == [], timeout_seconds=10, what="no process of the folder left")


def test_a_real_leftover_is_stopped_before_the_next_start(tmp_path: Path) -> None:
    """Parent and launcher killed while the broker is suspended: nobody is left to end it."""
    said: list[str] = []
    with python_process(PARENT, str(tmp_path)) as parent:
        pid = int(next_line(parent).split()[0])
        os.kill(pid, signal.SIGSTOP)
        os.kill(parent_of(pid), signal.SIGKILL)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert not is_gone(pid)
        with start_kafka(tmp_path, on_progress=said.append):
            assert is_gone(pid)
    assert any(f"stopped process {pid}, left over" in line for line in said)


def test_two_brokers_on_two_folders_run_side_by_side(tmp_path: Path, kafka: KafkaBroker) -> None:
    with start_kafka(tmp_path / "Ünï cöde") as other:
        assert {other.port, other.controller_port}.isdisjoint({kafka.port, kafka.controller_port})
        write(other.bootstrap, b"here")
        assert TOPIC not in AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=10).topics


def test_topics_are_never_made_by_asking_for_them(kafka: KafkaBroker) -> None:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "ask", "allow.auto.create.topics": True})
    consumer.subscribe(["embedded.topic.imagined.v1"])
    consumer.poll(1)
    consumer.close()
    topics = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=10).topics
    assert "embedded.topic.imagined.v1" not in topics


def test_the_first_start_makes_an_archive_of_classes_and_a_damaged_one_keeps_nothing_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars, cache = ensure_kafka_jars(), tmp_path / "cache"
    own = cache / jars.parent.name / jars.name
    shutil.copytree(jars, own, ignore=shutil.ignore_patterns("*.jsa"))
    monkeypatch.setenv("HOOKLINE_CACHE_DIR", str(cache))
    assert "SharedArchiveFile" not in " ".join(class_path_options(own))
    with start_kafka(tmp_path / "first") as broker:
        assert not (broker.data_dir / CLASS_LIST).exists()
    archive = class_archive(own)
    assert archive.stat().st_size > 2**20
    assert f"-XX:SharedArchiveFile={archive}" in class_path_options(own)
    said = subprocess.run(
        [str(java_program()), "-Xshare:on", "-Xlog:class+load", *class_path_options(own), "kafka.Kafka"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "kafka.Kafka$ source: shared objects file" in said.stdout
    archive.write_bytes(b"no archive")
    with start_kafka(tmp_path / "second") as broker:
        assert broker.alive()
