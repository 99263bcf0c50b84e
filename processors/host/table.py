"""One partition of the dedupe table: Faust's RocksDB database, and what is on its way into it.

A batch's writes are visible to the batches behind it at once, and reach the database only after the changelog has
acknowledged them, together with the changelog offset, in one write.
"""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rocksdict

from infra.log import get_logger
from processors.errors import TableStateError

#: Where Faust's store keeps the changelog offset of a database.
OFFSET_KEY = b"__faust\0offset__"
_INCARNATION_KEY = b"__hookline\0incarnation__"
_log = get_logger(__name__)


def short_incarnation(topic_id: str) -> bytes:
    """8 bytes that tell one life of a topic from another."""
    return hashlib.blake2b(topic_id.encode(), digest_size=8).digest()


class PartitionTable:
    """Reads and writes of one partition during one lease."""

    def __init__(self, store: Any, partition: int, *, changelog_end: int) -> None:
        self.partition = partition
        self._database = open_database(store, partition)
        #: Everything of the changelog before this offset is in the database. Our records are counted onto it: were
        #: anyone else to write in between, it would stay behind the truth, and a recovery would only read more.
        self._changelog_end = changelog_end
        self._pending: dict[bytes, tuple[int, bytes | None]] = {}
        self._batch_number = 0

    def get(self, key: bytes) -> bytes | None:
        """Value of `key`, including writes not yet in the database."""
        pending = self._pending.get(key)
        if pending is not None:
            return pending[1]
        value: bytes | None = self._database.get(key)
        return value

    def begin(self) -> "TableWrites":
        """Writes of the next batch."""
        self._batch_number += 1
        return TableWrites(self, self._batch_number)

    def remember(self, key: bytes, value: bytes | None, batch_number: int) -> None:
        """Make a write visible before it is durable."""
        self._pending[key] = (batch_number, value)

    def apply(self, writes: "TableWrites") -> None:
        """Put writes, acknowledged by the changelog, and its offset into the database in one write."""
        if not writes.changes:
            return
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in writes.changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        self._changelog_end += len(writes.changes)
        batch.put(OFFSET_KEY, b"%d" % (self._changelog_end - 1))
        self._database.write(batch)
        for key in writes.changes:
            if self._pending[key][0] == writes.batch_number:
                del self._pending[key]

    def scan(self, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` entries with keys beyond `after`, in key order; shorter than `limit` at the end."""
        found: list[tuple[bytes, bytes]] = []
        for key, value in _items_from(self._database, after):
            if key == after or key in (OFFSET_KEY, _INCARNATION_KEY):
                continue
            found.append((key, value))
            if len(found) == limit:
                break
        return found


class TableWrites:
    """The writes of one batch."""

    def __init__(self, table: PartitionTable, batch_number: int) -> None:
        self._table = table
        self.batch_number = batch_number
        self.changes: dict[bytes, bytes | None] = {}

    def put(self, key: bytes, value: bytes) -> None:
        """Set `key`."""
        self.changes[key] = value
        self._table.remember(key, value, self.batch_number)

    def delete(self, key: bytes) -> None:
        """Forget `key`."""
        self.changes[key] = None
        self._table.remember(key, None, self.batch_number)


def open_database(store: Any, partition: int) -> Any:
    """The partition's database, opened by Faust's store. Raises TableStateError when its folder is not usable."""
    try:
        return store._db_for_partition(partition)
    except Exception as error:  # rocksdict raises plain Exception
        raise TableStateError(f"{store.partition_path(partition)}: {error}") from error


def persisted_offset(database: Any) -> int | None:
    """The changelog offset the database holds everything up to (inclusive)."""
    value = database.get(OFFSET_KEY)
    return None if value is None else int(value)


def bind_incarnation(store: Any, partition: int, incarnation: bytes, highwater: int) -> Any:
    """The database, emptied first when it cannot belong to the changelog as it is.

    That is: written for another life of the topic, or ahead of its end (topic made anew, unclean election).
    """
    database = open_database(store, partition)
    held, offset = database.get(_INCARNATION_KEY), persisted_offset(database)
    foreign = held is not None and held != incarnation
    ahead = offset is not None and offset >= highwater
    if foreign or ahead:
        _log.warning(
            "table.rebuilt", partition=partition, foreign=foreign, local_offset=offset, changelog_end=highwater
        )
        database = _empty_database(store, partition, database)
    database.put(_INCARNATION_KEY, incarnation)
    return database


def _empty_database(store: Any, partition: int, database: Any) -> Any:
    store._dbs.pop(partition, None)
    database.close()
    shutil.rmtree(Path(str(store.partition_path(partition))))
    return open_database(store, partition)


def _items_from(database: Any, start: bytes) -> Iterator[tuple[bytes, bytes]]:
    iterator = database.iter()
    iterator.seek(start)
    while iterator.valid():
        yield iterator.key(), iterator.value()
        iterator.next()
