"""The delivery log as an erasure works on it; every statement is for one tenant."""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import orjson
import pyarrow as pa

from infra.clickhouse import ClickHouse, Row
from infra.queries import load_queries, put_together
from infra.removal import version_of_update
from infra.requests.paths import JsonPath
from management.erasures.matching import has_value, written

_QUERIES = load_queries(Path(__file__).parent / "log.sql")
_CANDIDATES_MAX = 2_000
_CHUNK_BYTES_MAX = 33_554_432
_CHUNK_ROWS_MAX = 500
_FIRST = UUID(int=0)


class Sought(NamedTuple):
    """What an erasure looks for: in deliveries before `until_us`, of one webhook (None: of all)."""

    path: JsonPath
    value: str
    webhook_id: UUID | None
    until_us: int


class Match(NamedTuple):
    """A delivery to be cleared, whether its outcomes are too, and ids of entities they name."""

    webhook_id: UUID
    received_at_us: int
    delivery_id: UUID
    clears_request: bool = False
    clears_outcome: bool = False
    entities: tuple[str, ...] = ()


class ErasableLog:
    """Raises as `ClickHouse` does. Everything may be done twice."""

    def __init__(self, clickhouse: ClickHouse, tenant_id: UUID) -> None:
        self._clickhouse = clickhouse
        self._tenant_id = str(tenant_id)

    def find_delivery(self, delivery_id: UUID) -> tuple[Match, bool] | None:
        """The tenant's delivery, and whether it has a body; None where there is none."""
        for row in self._query("find_delivery", delivery_id=str(delivery_id)):
            return Match(row["webhook_id"], row["received_at_us"], row["delivery_id"]), bool(row["has_body"])
        return None

    def matches(self, sought: Sought) -> Iterator[list[Match]]:
        """Deliveries that have the value at the path, some at a time; nothing is kept in memory but one chunk."""
        after: Row = {"webhook_id": _FIRST, "received_at_us": 0, "delivery_id": _FIRST}
        while True:
            candidates = self._query(
                "find_candidates",
                value=sought.value,
                webhook_id="" if sought.webhook_id is None else str(sought.webhook_id),
                until_us=sought.until_us,
                after_webhook_id=str(after["webhook_id"]),
                after_us=after["received_at_us"],
                after_delivery_id=str(after["delivery_id"]),
                limit=_CANDIDATES_MAX,
            )
            for chunk in _chunks(candidates):
                found = self._matching(chunk, sought)
                if found:
                    yield found
            if len(candidates) < _CANDIDATES_MAX:
                return
            after = candidates[-1]

    def late_outcomes(self, erasure_id: UUID, sought: Sought) -> Iterator[list[Match]]:
        """Deliveries noted before, of which an outcome has come since that says the value."""
        value, escaped = written(sought.value)
        rows = self._query("find_late_outcomes", erasure_id=str(erasure_id), value=value, escaped=escaped)
        if rows:
            yield [
                Match(
                    row["webhook_id"],
                    row["received_at_us"],
                    row["delivery_id"],
                    clears_outcome=True,
                    entities=_entities(row["outcome"]),
                )
                for row in rows
            ]

    def note(self, erasure_id: UUID, matches: Sequence[Match]) -> None:
        """Have these cleared by what follows."""
        count = len(matches)
        columns = {
            "tenant_id": pa.array([self._tenant_id] * count, pa.string()),
            "erasure_id": pa.array([str(erasure_id)] * count, pa.string()),
            "webhook_id": pa.array([str(match.webhook_id) for match in matches], pa.string()),
            "received_at": pa.array([match.received_at_us for match in matches], pa.timestamp("us", "UTC")),
            "delivery_id": pa.array([str(match.delivery_id) for match in matches], pa.string()),
            "clears_request": pa.array([int(match.clears_request) for match in matches], pa.uint8()),
            "clears_outcome": pa.array([int(match.clears_outcome) for match in matches], pa.uint8()),
        }
        self._clickhouse.insert("erased_deliveries", pa.table(columns))

    def noted(self, erasure_id: UUID) -> tuple[int, int]:
        """How many deliveries were noted, and of how many the outcomes go."""
        [row] = self._query("count_erased", erasure_id=str(erasure_id))
        return row["matched"], row["outcomes"]

    def clear(self, erasure_id: UUID) -> int:
        """Hide what was noted at once, and begin to take it off the disk; the version to wait for (`infra.removal`)."""
        parameters = {"tenant_id": self._tenant_id, "erasure_id": str(erasure_id)}
        self._clickhouse.execute(_QUERIES["hide"], parameters)
        self._clickhouse.execute(put_together(_QUERIES, "clear"), parameters)
        return version_of_update(self._clickhouse, str(erasure_id))

    def _matching(self, chunk: Sequence[Row], sought: Sought) -> list[Match]:
        where = {
            "webhook_ids": sorted({str(row["webhook_id"]) for row in chunk}),
            "from_us": min(row["received_at_us"] for row in chunk),
            "until_us": max(row["received_at_us"] for row in chunk),
        }
        bodies = self._query("read_bodies", **where, delivery_ids=[str(row["delivery_id"]) for row in chunk])
        found = {row["delivery_id"] for row in bodies if _has_value(row, sought)}
        if not found:
            return []
        value, escaped = written(sought.value)
        outcomes = self._query(
            "read_outcomes", **where, delivery_ids=sorted(map(str, found)), value=value, escaped=escaped
        )
        telling = {row["delivery_id"] for row in outcomes if row["has_value"]}
        entities: dict[UUID, tuple[str, ...]] = {}
        for row in outcomes:
            entities[row["delivery_id"]] = (*entities.get(row["delivery_id"], ()), *_entities(row["outcome"]))
        return [
            Match(
                row["webhook_id"],
                row["received_at_us"],
                row["delivery_id"],
                clears_request=True,
                clears_outcome=row["delivery_id"] in telling,
                entities=entities.get(row["delivery_id"], ()),
            )
            for row in chunk
            if row["delivery_id"] in found
        ]

    def _query(self, name: str, **parameters: object) -> list[Row]:
        return self._clickhouse.query(_QUERIES[name], {**parameters, "tenant_id": self._tenant_id})


def _has_value(row: Row, sought: Sought) -> bool:
    content = base64.b64decode(row["content"])
    return has_value(content, row["content_type"], sought.path, sought.value)


def _chunks(candidates: Sequence[Row]) -> Iterator[list[Row]]:
    """Bodies of one chunk fit into memory; one that does not fit stands alone."""
    chunk: list[Row] = []
    size = 0
    for row in candidates:
        size += row["bytes"] or 0
        if chunk and (size > _CHUNK_BYTES_MAX or len(chunk) == _CHUNK_ROWS_MAX):
            yield chunk
            chunk, size = [], row["bytes"] or 0
        chunk.append(row)
    if chunk:
        yield chunk


def _entities(outcome: str) -> tuple[str, ...]:
    """Members of a handler's outcome that are ids, as `ticket_id=…`."""
    try:
        members = orjson.loads(outcome or "{}")
    except orjson.JSONDecodeError:
        return ()
    return tuple(
        f"{name}={value}" for name, value in members.items() if name.endswith("_id") and isinstance(value, str)
    )
