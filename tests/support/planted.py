"""Secrets planted in a system, and the search for them in everything it wrote: as it lies there, and read as meant."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import psycopg
import rocksdict
from confluent_kafka.admin import AdminClient
from psycopg import sql

from infra.compacted import read_to_end
from infra.settings import KafkaSettings

ROOT = Path(__file__).resolve().parents[2]
#: Stands in every secret that a test chooses, so that one search finds them all.
COMMON = "PLANTEDq7Zx4TkWv2"
_READ_CLICKHOUSE = """
import sys
from chdb.session import Session

session = Session(sys.argv[1])
tables = session.query("SELECT database, name FROM system.tables WHERE engine LIKE '%MergeTree'", "TabSeparated")
for line in tables.bytes().decode().splitlines():
    database, table = line.split("\\t")
    rows = session.query(f"SELECT * FROM `{database}`.`{table}`", "TabSeparated").bytes()
    sys.stdout.buffer.write(table.encode() + b" " + rows)
"""


@dataclass(frozen=True, slots=True)
class Secret:
    """What must not be found. `name` is for messages."""

    name: str
    value: bytes = field(repr=False)

    @property
    def text(self) -> str:
        return self.value.decode()

    def forms(self) -> Iterator[bytes]:
        """As it is, in hexadecimal, and inside base64 wherever it may begin in there."""
        yield self.value
        yield self.value.hex().encode()
        yield self.value.hex().upper().encode()
        for shift in range(3):
            encoded = base64.b64encode(bytes(shift) + self.value)
            begin, end = -(-shift * 8 // 6), (shift + len(self.value)) * 8 // 6
            yield encoded[begin:end]
            yield encoded[begin:end].translate(bytes.maketrans(b"+/", b"-_"))


def plant(name: str) -> Secret:
    """A new secret, fit for every place: letters and digits only."""
    return Secret(name, f"{COMMON}{secrets.token_hex(12)}".encode())


@dataclass(frozen=True, slots=True)
class Found:
    """A secret, and where it was."""

    secret: str
    place: str


class Search:
    """Looks for some secrets in bytes, files and folders. Those of our own choice are first looked for together."""

    def __init__(self, *wanted: Secret) -> None:
        self._others = _forms_of(secret for secret in wanted if not secret.value.startswith(COMMON.encode()))
        self._chosen = _forms_of(secret for secret in wanted if secret.value.startswith(COMMON.encode()))
        self._common = tuple(Secret("common", COMMON.encode()).forms()) if self._chosen else ()

    def in_bytes(self, content: bytes, place: str) -> list[Found]:
        """Each secret that stands in there."""
        forms = dict(self._others)
        if any(form in content for form in self._common):
            forms |= self._chosen
        return [Found(name, place) for name in sorted({name for form, name in forms.items() if form in content})]

    def in_files(self, folder: Path, *, but: frozenset[Path] = frozenset()) -> list[Found]:
        """Every byte of every file below `folder`."""
        found: list[Found] = []
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and path not in but:
                with path.open("rb") as file:
                    found += self.in_bytes(_written(file), str(path.relative_to(folder)))
        return found

    def in_parts(self, parts: Mapping[str, bytes]) -> list[Found]:
        """Content by the name of its place."""
        return [found for place, content in parts.items() for found in self.in_bytes(content, place)]


def _forms_of(secrets_: Iterable[Secret]) -> dict[bytes, str]:
    return {form: secret.name for secret in secrets_ for form in secret.forms()}


def _written(file: BinaryIO) -> bytes:
    """The file without its holes: a broker's indexes are hundreds of megabytes of nothing."""
    descriptor, size, at = file.fileno(), os.fstat(file.fileno()).st_size, 0
    parts: list[bytes] = []
    while at < size:
        try:
            begin = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:  # nothing but a hole is left
            break
        at = os.lseek(descriptor, begin, os.SEEK_HOLE)
        parts.append(os.pread(descriptor, at - begin, begin))
    return b"".join(parts)


def read_topics(settings: KafkaSettings) -> dict[str, bytes]:
    """Keys, values and headers of every record of every topic, decompressed."""
    topics = AdminClient({"bootstrap.servers": settings.bootstrap}).list_topics(timeout=10).topics
    return {f"topic {topic}": b"\n".join(_record_bytes(settings, topic)) for topic in topics}


def _record_bytes(settings: KafkaSettings, topic: str) -> Iterator[bytes]:
    for message in read_to_end(settings, topic, client_id="planted-secrets"):
        yield message.key() or b""
        yield message.value() or b""
        yield from (
            part if isinstance(part, bytes) else part.encode() for h in message.headers() or [] for part in h if part
        )


def read_tables(dsn: str) -> dict[str, bytes]:
    """Every row of every table of Postgres as text, as a dump would hold it, and what the server runs."""
    parts: dict[str, bytes] = {}
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        tables += [("pg_catalog", "pg_stat_activity"), ("pg_catalog", "pg_prepared_statements")]
        for schema, table in tables:
            statement = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT").format(sql.Identifier(schema, table))
            with connection.cursor() as cursor, cursor.copy(statement) as rows:
                parts[f"table {table}"] = b"".join(bytes(row) for row in rows)
    return parts


def read_clickhouse(folder: Path) -> bytes:
    """Every column of every row, the engine's own tables too. No other process may have the folder open."""
    command = [sys.executable, "-c", _READ_CLICKHOUSE, str(folder)]
    return subprocess.run(command, capture_output=True, timeout=120, cwd=ROOT, check=True).stdout


def read_rocksdb(folder: Path) -> bytes:
    """Keys and values of every RocksDB database below `folder`, which nobody has open."""
    parts: list[bytes] = []
    for current in folder.rglob("CURRENT"):
        database = rocksdict.Rdict(str(current.parent), rocksdict.Options(raw_mode=True))
        for key, value in database.items():
            parts += [bytes(key), bytes(value)]
        database.close()
    return b"\n".join(parts)
