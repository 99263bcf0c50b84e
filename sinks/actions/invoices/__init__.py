"""The invoice actions, offered through the entry-point group `hookline.actions`."""

from schemas.actions import EXTERNAL_IDS_OF, ActionDefinition
from sinks.actions.entity_set import alone
from sinks.actions.invoices.fields import PAYMENT_FIELDS, STATUS_FIELDS
from sinks.actions.invoices.settle import mark_invoices_paid, update_invoice_statuses

MARK_INVOICE_PAID = ActionDefinition(
    name="markInvoicePaidByExternalId",
    entity_type="invoice",
    display_name="Mark invoice as paid",
    description="Note that the invoice of the sender's id was paid; a second payment changes nothing",
    target_fields=PAYMENT_FIELDS,
    options=(EXTERNAL_IDS_OF,),
    handle=alone(mark_invoices_paid),
    handle_many=mark_invoices_paid,
)
UPDATE_INVOICE_STATUS = ActionDefinition(
    name="updateInvoiceStatusByExternalId",
    entity_type="invoice",
    display_name="Change invoice status",
    description="Give the invoice of the sender's id another status; a cancelled one keeps its own",
    target_fields=STATUS_FIELDS,
    options=(EXTERNAL_IDS_OF,),
    handle=alone(update_invoice_statuses),
    handle_many=update_invoice_statuses,
)
ACTIONS = (MARK_INVOICE_PAID, UPDATE_INVOICE_STATUS)
