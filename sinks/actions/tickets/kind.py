"""How tickets are read and written."""

from pathlib import Path

from infra.queries import load_queries
from sinks.actions.entity_set import EntityKind

QUERIES = load_queries(Path(__file__).parent / "queries.sql")
TICKETS = EntityKind("ticket", QUERIES["lock_tickets"], QUERIES["insert_tickets"], QUERIES["update_tickets"])
