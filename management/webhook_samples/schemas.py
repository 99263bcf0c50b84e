"""What the API shows of a capture, and a capture as the worker knows it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel, Field

from management.request_body import DEPTH_MAX

#: How long a capture stays open.
CAPTURE_SECONDS = 300
#: A larger body is refused as a sample: an editor has to show it, and every GET of the webhook carries it.
SAMPLE_BYTES_MAX = 262_144
#: A sample is part of what GET shows, and a PUT has to be able to bring that back through the API's own bound.
SAMPLE_DEPTH_MAX = DEPTH_MAX - 1


class OpenCapture(BaseModel):
    """An open capture."""

    sample_capture_expires_at: str = Field(description="RFC 3339, UTC, milliseconds; bodies received until then count")


class Capture(NamedTuple):
    """A capture that has not ended. `started_at` tells it from an earlier or later one of the same webhook."""

    tenant_id: UUID
    webhook_id: UUID
    started_at: datetime
    expires_at: datetime


class Sample(NamedTuple):
    """A body that came first. `json_text` is None for a body that is no sample; `refusal` says why then."""

    received_at_us: int
    delivery_id: str
    body_bytes: int
    json_text: str | None
    refusal: str | None = None
