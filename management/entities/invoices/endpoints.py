"""GET and POST /invoices, GET, PATCH and DELETE /invoices/{invoice_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.invoices.schemas import Invoice, InvoiceCreateInput, InvoiceFilter, InvoiceUpdateInput
from management.entities.invoices.service import InvoiceService
from management.entities.routes import EntityRoutes, entity_routes

_ROUTES = EntityRoutes(
    path="/invoices",
    one="invoice",
    many="invoices",
    about="Invoices: what a client was billed, and whether it is paid.",
    shown=Invoice,
    wanted=InvoiceFilter,
    create=InvoiceCreateInput,
    update=InvoiceUpdateInput,
    clash="The number is taken, or the invoice is cancelled",
)


def invoice_routes(service: InvoiceService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_ROUTES, service, access)
