"""A preset as the API shows it: everything an admin needs to set a sender up, and nothing that proves anything."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from schemas.presets import DeviceReports, EventTypeSource, SuggestedHandler
from schemas.webhooks import IdempotencySource


class InboundPresetField(BaseModel):
    """A member of `auth_config` that belongs to the preset. `pattern` holds the whole of it; null: anything does."""

    title: str
    description: str
    secret: bool = Field(description="never shown; it can be set and rotated")
    required: bool = Field(description="it has to be given: it is neither generated nor has a default")
    generated: bool = Field(description="Hookline makes one where it is left out")
    default: str | None
    pattern: str | None
    length_min: int = Field(description="characters")
    length_max: int


class InboundPresetSample(BaseModel):
    """A request as it arrives, without its proof. `source` says where it is from.

    `answer` is what a handshake is answered with: text, or JSON; null where the request is an event.
    """

    name: str
    source: Literal["documentation", "library", "made"]
    method: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str
    answer_status: int | None
    answer: Any
    event_type: str | None
    idempotency_key: str | None


class InboundPreset(BaseModel):
    """One sender. `proof` and `handshakes` say in words how it proves itself, and what it is answered before events.

    `documented` is false where the sender does not publish its scheme: `notes` say what is known.
    """

    name: str
    title: str
    category: str
    summary: str
    documentation: list[str] = Field(description="addresses of the sender's own pages")
    documented: bool
    notes: str
    fields: dict[str, InboundPresetField]
    secret_field: str | None = Field(description="the field that is the secret; null: it proves with a public key")
    proof: str
    handshakes: list[str]
    accepted: str = Field(description="what an accepted event is answered with")
    has_handshake_token: bool = Field(description="the handshake asks for `handshake_token` of the webhook")
    idempotency_source: IdempotencySource | None = Field(
        description="what a new webhook takes, unless it says otherwise"
    )
    event_type: EventTypeSource | None
    setup: list[str] = Field(description="what to do at the sender, step by step")
    suggested: SuggestedHandler | None = Field(description="a handler to begin with, for the sender's events")
    devices: DeviceReports | None = Field(description="the sender's devices as assets, by a second webhook")
    samples: list[InboundPresetSample]
