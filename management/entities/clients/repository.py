"""Clients in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.postgres import Pool
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="client",
    folder=Path(__file__).parent,
    columns=(
        *("name", "client_type", "url", "phone_no", "email", "address", "address_2", "city", "state", "zip", "country"),
        *("default_currency_code", "notes", "properties", "is_inactive"),
    ),
    taken={"clients_name_key": Problem("name", "there is a client of this name already")},
    unknown={},
    in_use=(
        "tickets, contacts, assets, invoices, projects or interactions refer to this client: "
        "delete or move them first, or set is_inactive instead"
    ),
    told_as="client",
    mapped_as="client",
    json_columns=("properties",),
)


class ClientRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)
