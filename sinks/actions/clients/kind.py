"""A client as a set of commands reads and writes it."""

from pathlib import Path

from infra.queries import load_queries
from sinks.actions.entity_set import EntityKind
from sinks.actions.references import FieldTypes

QUERIES = load_queries(Path(__file__).parent / "queries.sql")

CLIENT = EntityKind("client", QUERIES["lock_clients"], QUERIES["insert_clients"], QUERIES["update_clients"])
NO_REFERENCES = FieldTypes({}, {})
