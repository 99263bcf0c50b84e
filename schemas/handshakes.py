"""What a sender asks of a receiver before it sends events, and what it wants to hear."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Where a value of the request stands: `query.NAME`, `header.NAME` or `body.MEMBER.MEMBER`, split at the first dot.
SOURCE_PATTERN = r"^(?:query|header|body)\.[^{}:\s]{1,128}$"
#: A value in an answer: as it came, or its HMAC under the webhook's secret.
HANDSHAKE_PLACEHOLDER_PATTERN = (
    r"\{(?:(hmac_sha256_hex|hmac_sha256_base64):)?((?:query|header|body)\.[^{}:\s]{1,128})\}"
)
ECHOED_LENGTH_MAX = 1_024


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HandshakeCondition(_Frozen):
    """What must be so: the value at `source` is there (`exists`), is `equals`, or is the webhook's handshake token.

    The handshake token is derived from the webhook's secret (`infra.proofs`), so that both can be told to the sender.
    """

    source: str = Field(pattern=SOURCE_PATTERN)
    exists: Literal[True] | None = None
    equals: str | int | bool | None = None
    equals_token: Literal[True] | None = None

    @model_validator(mode="after")
    def _require_one(self) -> "HandshakeCondition":
        if sum(value is not None for value in (self.exists, self.equals, self.equals_token)) != 1:
            raise ValueError("one of exists, equals and equals_token is required")
        return self


class HandshakeRule(_Frozen):
    """Requests that meet every condition of `when` are answered at once and are no deliveries.

    `proof` none: answered without the webhook's proof, for senders that ask before they can sign. `text` or `json` is
    the answer; text in it may hold placeholders (HANDSHAKE_PLACEHOLDER_PATTERN). Neither: an empty answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    methods: tuple[Literal["GET", "HEAD", "POST", "PUT", "PATCH"], ...] = Field(min_length=1)
    proof: Literal["required", "none"] = "required"
    when: tuple[HandshakeCondition, ...] = Field(min_length=1, max_length=10)
    status: int = Field(default=200, ge=200, le=299)
    text: str | None = Field(default=None, max_length=4_096)
    json_value: Any = Field(default=None, alias="json")

    @model_validator(mode="after")
    def _require_one_answer(self) -> "HandshakeRule":
        if self.text is not None and self.json_value is not None:
            raise ValueError("text and json are two answers: give one")
        return self
