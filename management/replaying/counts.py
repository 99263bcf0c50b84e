"""How often deliveries were replayed, counted in the transaction that plans the next time."""

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from infra.postgres import Connection
from infra.queries import load_queries

_QUERIES = load_queries(Path(__file__).parent / "counts.sql")


def count_replays(connection: Connection, tenant_id: UUID, maxima: Mapping[UUID, int]) -> set[UUID]:
    """Count one replay more of each origin by its id; those that may go, because they had fewer than their maximum.

    Of the others nothing is changed. Two that count the same origins wait for each other, and never in a circle.
    """
    parameters = {"tenant_id": tenant_id, "origin_ids": list(maxima), "maxima": list(maxima.values())}
    rows = connection.execute(_QUERIES["count_replays"].encode(), parameters) if maxima else ()
    return {row["origin_id"] for row in rows}
