"""The fields of the actions on invoices."""

from schemas.actions import FieldType, TargetField
from sinks.actions.fields import text_field

STATUSES = ("draft", "sent", "paid", "overdue", "cancelled", "pending", "prepayment", "partially_applied")

_EXTERNAL_ID = text_field("external_id", "The sender's id of the invoice", required=True)
PAYMENT_FIELDS = (
    _EXTERNAL_ID,
    TargetField(
        name="paid_at", type=FieldType.DATETIME, description="When it was paid; else when the delivery was received"
    ),
    text_field("payment_reference", "What the payment is known by"),
)
STATUS_FIELDS = (
    _EXTERNAL_ID,
    TargetField(
        name="status",
        type=FieldType.ENUM,
        description="Its status from now on; paid: with the time at which the delivery was received",
        required=True,
        enum_values=STATUSES,
    ),
)
