"""Invoices of a tenant."""

from infra.postgres import Pool
from management.entities.invoices.repository import InvoiceRepository
from management.entities.invoices.schemas import Invoice
from management.entities.service import EntityService


class InvoiceService(EntityService[Invoice]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(InvoiceRepository(pool), Invoice)
