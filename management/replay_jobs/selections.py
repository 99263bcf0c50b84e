"""What a job selects, frozen in ClickHouse, and what the log says of it; every statement is for one tenant."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pyarrow as pa

from infra.clickhouse import ClickHouse, Row
from infra.queries import load_queries, put_together
from management.log_reader import Conditions
from management.replaying.done import DoneDeliveries

_QUERIES = load_queries(Path(__file__).parent / "selections.sql")
_STORED = load_queries(Path(__file__).parents[1] / "replaying" / "queries.sql")
_COUNT_SECONDS_MAX = 10.0
#: A delivery in the log: webhook, time of receipt in microseconds, id.
Key = tuple[str, int, str]


class Selected(NamedTuple):
    """One selected delivery: where its record stands (`topic` '': nobody knows), and what it is a replay of, or it."""

    topic: str
    partition: int
    offset: int
    delivery_id: str
    origin_id: str
    webhook_id: str
    received_at_us: int
    body_bytes: int


class Cursor(NamedTuple):
    """Where a job is in a source partition: behind this offset and delivery."""

    topic: str
    partition: int
    last_offset: int
    last_delivery_id: UUID


class Selection:
    """Of one planning of one job. Raises as `ClickHouse` does."""

    def __init__(self, clickhouse: ClickHouse, tenant_id: UUID, replay_id: UUID, attempt: int) -> None:
        self._clickhouse = clickhouse
        self._names = {"tenant_id": str(tenant_id), "replay_id": str(replay_id), "attempt": attempt}

    def freeze(self, conditions: Conditions, *, since_us: int, until_us: int) -> None:
        """Add what the log has in this time; it may be done twice."""
        statement = put_together(_QUERIES, "freeze", conditions=conditions.text)
        window = {"since_us": since_us, "until_us": until_us}
        self._clickhouse.execute(statement, {**self._names, **window, **conditions.parameters})

    def freeze_records(self, records: Sequence[Selected]) -> None:
        """Add records that were found in a topic; it may be done twice."""
        if not records:
            return
        count = len(records)
        columns = {
            "tenant_id": pa.array([self._names["tenant_id"]] * count, pa.string()),
            "replay_id": pa.array([self._names["replay_id"]] * count, pa.string()),
            "attempt": pa.array([self._names["attempt"]] * count, pa.uint32()),
            "raw_topic": pa.array([one.topic for one in records], pa.string()),
            "raw_partition": pa.array([one.partition for one in records], pa.uint32()),
            "raw_offset": pa.array([one.offset for one in records], pa.uint64()),
            "delivery_id": pa.array([one.delivery_id for one in records], pa.string()),
            "origin_id": pa.array([one.origin_id for one in records], pa.string()),
            "webhook_id": pa.array([one.webhook_id for one in records], pa.string()),
            "received_at": pa.array([one.received_at_us for one in records], pa.timestamp("us", "UTC")),
            "body_bytes": pa.array([one.body_bytes for one in records], pa.uint32()),
        }
        self._clickhouse.insert("replay_selections", pa.table(columns))

    def partitions(self) -> dict[tuple[str, int], int]:
        """How many deliveries are selected of each topic and partition."""
        rows = self._clickhouse.query(_QUERIES["count_partitions"], self._names)
        return {(row["raw_topic"], row["raw_partition"]): row["selected"] for row in rows}

    def missing(self, delivery_ids: Collection[str]) -> list[str]:
        """Those that the log does not have, in the order given."""
        found = {str(row["delivery_id"]) for row in self._clickhouse.query(_QUERIES["list_found"], self._names)}
        return [one for one in delivery_ids if one not in found]

    def page(self, cursor: Cursor, limit: int) -> list[Selected]:
        """The next ones of a partition, by offset."""
        behind = {**cursor._asdict(), "last_delivery_id": str(cursor.last_delivery_id), "limit": limit}
        rows = self._clickhouse.query(_QUERIES["page"], {**self._names, **behind})
        return [
            Selected(
                cursor.topic,
                cursor.partition,
                row["raw_offset"],
                str(row["delivery_id"]),
                str(row["origin_id"]),
                str(row["webhook_id"]),
                row["received_at_us"],
                row["body_bytes"],
            )
            for row in rows
        ]


class LoggedStates:
    """What became of a tenant's deliveries. Raises as `ClickHouse` does."""

    def __init__(self, clickhouse: ClickHouse, tenant_id: UUID) -> None:
        self._clickhouse = clickhouse
        self._tenant_id = str(tenant_id)
        self._done = DoneDeliveries(clickhouse, tenant_id)

    def present(self, selected: Sequence[Selected]) -> dict[str, str]:
        """Origins that are not missing, with the reason in words."""
        found = self._done.find({one.webhook_id for one in selected}, {one.origin_id for one in selected})
        return {origin_id: done.words for origin_id, done in found.items()}

    def stored(self, selected: Sequence[Selected]) -> dict[str, Row]:
        """Rows by delivery id, with whole bodies, as `management.replaying.stored` reads them."""
        statement = put_together({**_STORED, **_QUERIES}, "read_stored")
        keys = [(one.webhook_id, one.received_at_us, one.delivery_id) for one in selected]
        return {str(row["delivery_id"]): row for row in self._by_keys(statement, keys)}

    def outcomes_of(self, keys: Sequence[Key]) -> dict[str, Row]:
        """Status and error by delivery id, of what the log has by now."""
        return {str(row["delivery_id"]): row for row in self._by_keys(_QUERIES["read_outcomes"], keys)}

    def outcomes(self, replay_id: UUID, since_us: int) -> dict[str, int]:
        """Deliveries of a replay that came since, by their status."""
        wanted = {"tenant_id": self._tenant_id, "replay_id": str(replay_id), "since_us": since_us}
        rows = self._clickhouse.query(_QUERIES["count_outcomes"], wanted, seconds_max=_COUNT_SECONDS_MAX)
        return {row["dispatch_status"]: row["deliveries"] for row in rows}

    def _by_keys(self, statement: str, keys: Sequence[Key]) -> list[Row]:
        if not keys:
            return []
        webhook_ids, times, delivery_ids = zip(*keys, strict=True)
        wanted = {
            "tenant_id": self._tenant_id,
            "webhook_ids": sorted(set(webhook_ids)),
            "from_us": min(times),
            "until_us": max(times),
            "delivery_ids": list(delivery_ids),
        }
        return self._clickhouse.query(statement, wanted)


def with_ids(delivery_ids: Sequence[str]) -> Conditions:
    """These deliveries and no others."""
    return Conditions(_QUERIES["with_ids"], {"delivery_ids": list(delivery_ids)})


def in_deleted_range(topic: str, incarnation: str, partition: int, *, first: int, end: int) -> Conditions:
    """Deliveries whose records stood there: first ≤ offset < end."""
    parameters = {"topic": topic, "incarnation": incarnation, "partition": partition}
    return Conditions(_QUERIES["in_deleted_range"], {**parameters, "first_offset": first, "end_offset": end})
