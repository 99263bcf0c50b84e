"""What an explanation takes and answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from management.moments import Moment
from schemas.webhooks import HEADER_PATTERN

_HeaderName = Annotated[str, Field(pattern=HEADER_PATTERN)]
_Value = Annotated[str, Field(max_length=16_384, pattern=r"^[\t\x20-\x7e\x80-\xff]*$")]


class RequestToExplain(BaseModel):
    """A request as the sender sent it. Exact bytes matter: `body_base64` holds any, `body` those of UTF-8 text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH"] = "POST"
    url: str | None = Field(
        default=None,
        pattern=r"^[!-~]+$",
        max_length=8_192,
        description="where it was sent to; else `receiver_url`",
    )
    query: str | None = Field(
        default=None,
        pattern=r"^[!-~]*$",
        max_length=8_192,
        description="what is behind the question mark, instead of `url`",
    )
    headers: dict[_HeaderName, _Value] = Field(default_factory=dict, max_length=200, description="names in any case")
    body: str | None = None
    body_base64: str | None = Field(default=None, description="instead of `body`")
    source_ip: str | None = Field(
        default=None, max_length=64, description="of the sender; needed where the webhook looks at it"
    )
    received_at: Moment | None = Field(default=None, description="left out: now")


class HandshakeShown(BaseModel):
    """What the sender is answered at once."""

    status: int
    content_type: str
    body: str


class Explanation(BaseModel):
    """`verdict` is the receiver's; `reason` is that of a rejection. `words` say what was found, `hints` what to try.

    Keys and event type are what the request has for itself, whether it is taken or not. `warnings` say what could not
    be worked out, and what comes after the proof.
    """

    verdict: Literal["accepted", "handshake", "refused"]
    reason: str | None
    words: str
    hints: list[str]
    handshake: HandshakeShown | None
    idempotency_key: str | None
    ordering_key: str | None
    event_type: str | None
    warnings: list[str]
