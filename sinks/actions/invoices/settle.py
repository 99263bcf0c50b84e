"""markInvoicePaidByExternalId and updateInvoiceStatusByExternalId: one path for both.

What is paid keeps its first payment, what is no longer paid has none, and what is cancelled stays so.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.queries import load_queries
from schemas.actions import ActionContext, ActionError, ActionResult, Command
from schemas.records import ErrorCode
from sinks.actions.entity_set import EntityKind, EntitySet, Row, decide_each, updated
from sinks.actions.references import FieldTypes
from sinks.actions.values import moment_of

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_NO_REFERENCES = FieldTypes({}, {})
INVOICE = EntityKind(
    "invoice",
    lock=_QUERIES["lock_invoices"],
    insert="",  # no action makes an invoice
    update=_QUERIES["update_invoices"],
)

Settled = Callable[[ActionContext, Mapping[str, Any]], Row]


def mark_invoices_paid(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run markInvoicePaidByExternalId for many of one tenant."""
    return _settle_each(commands, _as_paid)


def update_invoice_statuses(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run updateInvoiceStatusByExternalId for many of one tenant."""
    return _settle_each(commands, _as_told)


def _as_paid(context: ActionContext, values: Mapping[str, Any]) -> Row:
    paid_at = moment_of(values.get("paid_at")) or context.received_at
    return {"status": "paid", "paid_at": paid_at, "payment_reference": values.get("payment_reference")}


def _as_told(context: ActionContext, values: Mapping[str, Any]) -> Row:
    status = values["status"]
    paid_at = context.received_at if status == "paid" else None
    return {"status": status, "paid_at": paid_at, "payment_reference": None}


def _settle_each(commands: Sequence[Command], settled: Settled) -> list[ActionResult | ActionError]:
    invoices = EntitySet(commands, INVOICE, _NO_REFERENCES)

    def settle(context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
        before = invoices.require(context, values)
        after = before | settled(context, values)
        if after["status"] == before["status"]:
            after = before
        elif before["status"] == "cancelled":
            raise _cancelled(before, "status" if "status" in values else "external_id")
        return updated(INVOICE, before, values, before["number"], invoices.change(context, after))

    answers = decide_each(commands, settle)
    invoices.write()
    return answers


def _cancelled(invoice: Row, field: str) -> ActionError:
    message = f"{field}: invoice {invoice['number']} ({invoice['id']}) is cancelled and stays so"
    return ActionError(ErrorCode.CONFLICT, message, field)
