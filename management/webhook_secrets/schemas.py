"""What a rotation takes and answers."""

from pydantic import BaseModel, ConfigDict, Field

from management.inbound_webhooks.inputs import secret_field

OVERLAP_SECONDS_MAX = 2_592_000


class SecretRotationInput(BaseModel):
    """The new secret as `secret`, or under the scheme's or preset's own name for it; none of them has one generated.

    A secret that the sender gives out has to be there.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"additionalProperties": {"type": "string"}}
    )

    secret: str | None = secret_field()
    token: str | None = secret_field()
    password: str | None = secret_field()
    key: str | None = secret_field()
    rotation_overlap_seconds: int = Field(
        default=86_400,
        ge=0,
        le=OVERLAP_SECONDS_MAX,
        description="how long the previous secret stays good; 0: it ends now",
    )


class RotatedSecret(BaseModel):
    """The new secret, shown this once."""

    secret: str
    handshake_token: str | None = Field(description="what the sender's handshake asks for from now on; null: nothing")
    previous_secret_valid_until: str | None = Field(description="RFC 3339, UTC, milliseconds; null: it ended")
    version: int


class FinalisedRotation(BaseModel):
    """The version in which only the current secret is good."""

    version: int
