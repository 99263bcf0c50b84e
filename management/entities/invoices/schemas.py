"""Invoices as the API takes and shows them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from management.entities.schemas import (
    Currency,
    EntityFilter,
    EntityShown,
    MappedInput,
    Name,
    Search,
    ShortText,
    StoredMoment,
    Time,
)
from management.patching import PatchInput

_LARGEST = 2**63 - 1

InvoiceStatus = Literal["draft", "sent", "paid", "overdue", "cancelled", "pending", "prepayment", "partially_applied"]
TotalMinor = Annotated[
    int, Field(strict=True, ge=-_LARGEST, le=_LARGEST, description="in the smallest unit of the currency")
]


class InvoiceFilter(EntityFilter):
    """Which invoices a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a number")
    client_id: UUID | None = None
    status: InvoiceStatus | None = None


class Invoice(EntityShown):
    """What a client was billed. It has a time of payment exactly while its status is paid."""

    client_id: UUID
    number: str
    status: InvoiceStatus
    total_minor: int
    currency: str
    paid_at: Time | None
    payment_reference: str | None


class InvoiceCreateInput(MappedInput):
    """A new invoice."""

    client_id: UUID
    number: Name = Field(description="unique in the tenant, in any case")
    status: InvoiceStatus = "draft"
    total_minor: TotalMinor = 0
    currency: Currency
    paid_at: StoredMoment | None = Field(default=None, description="of a paid invoice; else now")
    payment_reference: ShortText | None = Field(default=None, description="of a paid invoice")


class InvoiceUpdateInput(PatchInput):
    """What to change of an invoice. Leaving paid clears the payment; a cancelled invoice stays so."""

    client_id: UUID = UUID(int=0)
    number: Name = Field(default="", description="unique in the tenant, in any case")
    status: InvoiceStatus = "draft"
    total_minor: TotalMinor = 0
    currency: Currency = ""
    paid_at: StoredMoment | None = Field(default=None, description="of a paid invoice; becoming paid, else now")
    payment_reference: ShortText | None = Field(default=None, description="of a paid invoice")
