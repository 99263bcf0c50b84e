"""What another resource needs of event types: the schema of one version, Hookline's own or the tenant's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.postgres import Connection
from infra.queries import load_queries
from schemas.event_types import core_event_types

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")


@dataclass(frozen=True, slots=True)
class FoundSchema:
    """One version of an event type."""

    version: int
    json_schema: dict[str, Any]


def find_schema(connection: Connection, tenant_id: UUID, name: str, version: int | None) -> FoundSchema | None:
    """The schema of a version, the newest when `version` is None; None where there is no such type or version."""
    core = core_event_types().get(name)
    if core is not None:
        wanted = [one for one in core if version is None or one.version == version]
        return FoundSchema(wanted[-1].version, wanted[-1].json_schema) if wanted else None
    parameters = {"tenant_id": tenant_id, "name": name, "version": version}
    row = connection.execute(_QUERIES["find_schema"].encode(), parameters).fetchone()
    return None if row is None else FoundSchema(row["version"], row["schema"])
