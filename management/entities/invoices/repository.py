"""Invoices in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.entities.documents import Row
from infra.postgres import Connection, Pool
from management.access import Actor
from management.entities.references import References
from management.entities.repository import EntityRepository, EntityTable
from management.errors import ConflictError, Problem

_TABLE = EntityTable(
    resource="invoice",
    folder=Path(__file__).parent,
    columns=("client_id", "number", "status", "total_minor", "currency", "paid_at", "payment_reference"),
    taken={"invoices_number_key": Problem("number", "there is an invoice of this number already")},
    unknown={
        "invoices_client_fkey": Problem("client_id", "there is no such client"),
        "invoices_paid_has_time": Problem("paid_at", "an invoice has a time of payment exactly while it is paid"),
        "invoices_reference_of_payment": Problem("payment_reference", "only a paid invoice has one"),
    },
    in_use="something refers to this invoice",
    told_as="invoice",
    mapped_as="invoice",
)
_PAYMENT = ("paid_at", "payment_reference")


class InvoiceRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """Whoever becomes paid has a time of payment, whoever is no longer paid has none; cancelled is final."""
        References(connection, actor.tenant_id).require_changed(before or {}, row, {"client_id": "client"})
        if before is not None and before["status"] == "cancelled" and row["status"] != "cancelled":
            problem = Problem("status", f"invoice {before['number']} is cancelled and stays so")
            raise ConflictError(problem.message, details=[problem])
        was_paid = before is not None and before["status"] == "paid"
        if row["status"] == "paid" and not was_paid and row["paid_at"] is None:
            return row | {"paid_at": row["now"]}
        if row["status"] != "paid" and was_paid:
            return row | {name: None for name in _PAYMENT if name not in row["given"]}
        return row
