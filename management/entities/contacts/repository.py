"""Contacts in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.postgres import Pool
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="contact",
    folder=Path(__file__).parent,
    columns=("client_id", "full_name", "email", "phone", "role", "notes", "is_inactive"),
    taken={"contacts_email_key": Problem("email", "there is a contact with this e-mail address already")},
    unknown={"contacts_tenant_id_client_id_fkey": Problem("client_id", "there is no such client")},
    in_use="tickets, comments or interactions refer to this contact: set is_inactive instead",
    told_as="contact",
    mapped_as="contact",
)


class ContactRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)
