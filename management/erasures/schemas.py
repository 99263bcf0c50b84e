"""An erasure as the API takes and shows it."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from infra.requests.paths import PATH_LENGTH_MAX
from management.paging import PageRequest

VALUE_LENGTH_MAX = 1_024
REASON_LENGTH_MAX = 500
ErasureStatus = Literal["pending", "running", "done", "failed"]


class ErasureCreateInput(BaseModel):
    """Whose data is to go: deliveries whose body has exactly `value` at `path`, as text or as a number written so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1, max_length=PATH_LENGTH_MAX, description="a JSON path: `$.contact.email`")
    value: str = Field(
        min_length=1,
        max_length=VALUE_LENGTH_MAX,
        description="never shown again",
        json_schema_extra={"writeOnly": True},
    )
    webhook_id: UUID | None = Field(default=None, description="null: deliveries of all webhooks")
    reason: str = Field(min_length=1, max_length=REASON_LENGTH_MAX)


class ErasureFilter(PageRequest):
    """Which erasures a list shows; the time window is of `asked_at`: since ≤ t < until."""

    status: ErasureStatus | None = None


class Erasure(BaseModel):
    """What was asked, how far it is, and the receipt once it is done.

    The value stands nowhere: `value_fingerprint` is a hash of it under the master key. `receipt_hash` is SHA-256 over
    the receipt as JSON with sorted names and without spaces; the audit entry `erasure.done` has the same.
    """

    id: UUID
    kind: Literal["body", "value"]
    status: ErasureStatus
    delivery_id: UUID | None
    webhook_id: UUID | None
    path: str | None
    value_fingerprint: str | None
    reason: str
    asked_by: dict[str, Any]
    asked_at: str = Field(description="RFC 3339, UTC, milliseconds")
    in_force_until: str = Field(description="until then what comes back from Kafka is deleted again")
    failure: str | None = Field(description="why it makes no progress, or cannot")
    receipt: dict[str, Any] | None
    receipt_hash: str | None
