"""The data folder of the embedded broker: what lies in it, its settings, and whether it is fit to be started on."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from hookline.embedded.errors import DataFolderCorrupt, DataFolderForeign, DataFolderUnusable
from hookline.embedded.lock import LOCK_FILE
from hookline.embedded.ports import LOOPBACK

PROPERTIES = "server.properties"
LOGGING = "log4j2.properties"
PID_FILE = "kafka.pid"
PORTS_FILE = "ports.json"
RECORDS = "records"
RECORDS_BEING_FORMATTED = "records.formatting"
CONSOLE_LOG = "console.log"
BROKER_LOG = "broker.log"
META = "meta.properties"
METADATA_LOG = "__cluster_metadata-0"
BATCH_MAGIC_AT = 16  # offset of the format's version in a record batch
BATCH_MAGIC = b"\x02"
NODE_ID = 1

# One node: nothing can be replicated. The quorum is the static one (`controller.quorum.voters`), because a dynamic
# quorum writes the controller's address into the metadata log, where it would go stale when the port changes and could
# then name another stack's controller. The broker's session is short, because after a crash the controller lets the
# broker back in only when the old session is over (13 s until ready with the default of 9 s, 7 s with this).
_SETTINGS = """\
process.roles=broker,controller
node.id={node_id}
controller.quorum.voters={node_id}@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=BROKER://{host}:{port}
inter.broker.listener.name=BROKER
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={records}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=2097152
"""

# Own files with a bound: a broker that repeats a warning for hours must not fill the disk.
_LOGGING = """\
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={log}
appender.file.filePattern={log}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{ISO8601}} %p %m (%c)%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=8MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=1
"""


def check(folder: Path) -> None:
    """Raise DataFolderForeign or DataFolderCorrupt unless the folder is empty, half formatted or one of ours."""
    if "," in str(folder):
        raise DataFolderUnusable(folder, "Kafka cannot work in a folder with a comma in its path")
    names = {path.name for path in folder.iterdir()} - {LOCK_FILE}
    if not names:
        return
    if PROPERTIES not in names:
        raise DataFolderForeign(folder, ", ".join(sorted(names)[:3]))
    if RECORDS in names:
        read_cluster_id(folder)
        _check_metadata(folder)


def read_cluster_id(folder: Path) -> str:
    """The cluster's id; DataFolderCorrupt when the broker's own description of the folder is missing or wrong."""
    meta = folder / RECORDS / META
    try:
        lines = meta.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataFolderCorrupt(folder, f"{RECORDS}/{META} is missing") from error
    except UnicodeDecodeError as error:
        raise DataFolderCorrupt(folder, f"{RECORDS}/{META} is not text") from error
    entries = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    if entries.get("node.id") != str(NODE_ID) or not entries.get("cluster.id"):
        raise DataFolderCorrupt(folder, f"{RECORDS}/{META} does not name this node and its cluster")
    return entries["cluster.id"]


def _check_metadata(folder: Path) -> None:
    """Raise DataFolderCorrupt when the oldest metadata is not a record batch.

    Kafka itself would cut such a log to nothing without a word, and so forget every topic.
    """
    segments = sorted((folder / RECORDS / METADATA_LOG).glob("*.log"))
    if not segments:
        return
    with segments[0].open("rb") as oldest:
        head = oldest.read(BATCH_MAGIC_AT + 1)
    if head and head[BATCH_MAGIC_AT:] != BATCH_MAGIC:
        raise DataFolderCorrupt(folder, f"{segments[0].relative_to(folder)} does not begin with a record batch")


def is_formatted(folder: Path) -> bool:
    return (folder / RECORDS).exists()


def prepare_format(folder: Path) -> Path:
    """An empty folder to format into; what a killed format left is removed."""
    target = folder / RECORDS_BEING_FORMATTED
    if target.exists():
        shutil.rmtree(target)
    return target


def finish_format(folder: Path) -> None:
    """The rename makes formatting all or nothing."""
    (folder / RECORDS_BEING_FORMATTED).replace(folder / RECORDS)


def properties(folder: Path, port: int, controller_port: int, records: str = RECORDS) -> str:
    return _SETTINGS.format(
        node_id=NODE_ID, host=LOOPBACK, port=port, controller_port=controller_port, records=_escape(folder / records)
    )


def write_configuration(folder: Path, port: int, controller_port: int) -> None:
    """Settings, logging and the chosen ports, each replaced as a whole."""
    _write(folder / PROPERTIES, properties(folder, port, controller_port))
    _write(folder / LOGGING, _LOGGING.format(log=_escape(folder / BROKER_LOG)))
    _write(folder / PORTS_FILE, json.dumps({"port": port, "controller_port": controller_port}))


def remembered_ports(folder: Path) -> tuple[int | None, int | None]:
    """Broker and controller port of the last run; None where unknown."""
    try:
        stored = json.loads((folder / PORTS_FILE).read_text(encoding="utf-8"))
        return int(stored["port"]), int(stored["controller_port"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None, None


def _escape(path: Path) -> str:
    """A path as a value of a Java properties file, which is read as Latin-1."""
    return str(path).encode("unicode_escape").decode("ascii").replace("\\x", "\\u00")


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
