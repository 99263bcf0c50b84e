"""Contacts of a tenant's clients."""

from infra.postgres import Pool
from management.entities.contacts.repository import ContactRepository
from management.entities.contacts.schemas import Contact
from management.entities.service import EntityService


class ContactService(EntityService[Contact]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(ContactRepository(pool), Contact)
