"""A webhook's configuration as it stands in configuration.webhook.changed.v1 (compacted).

Secrets inside are ciphertexts (`infra.secretbox`), never plain text.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SealedSecret(_Frozen):
    """`sealed` is a ciphertext of `infra.secretbox`; after `valid_until_us` (null: no end) it proves nothing."""

    sealed: str
    valid_until_us: int | None = None


class HmacAuth(_Frozen):
    """auth_type hmac_sha256: the signature of the exact bytes stands in `signature_header`."""

    signature_header: str = "X-Signature"
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64", "base64url"] = "hex"
    prefix: str | None = None
    signed_payload: str = "{body}"
    timestamp_header: str | None = None
    tolerance_seconds: int = Field(default=300, ge=1, le=86_400)
    secrets: tuple[SealedSecret, ...] = Field(min_length=1, max_length=2)


class IdempotencySource(_Frozen):
    """Where the dedupe key comes from: a header's name or a JSONata expression over the body."""

    type: Literal["header", "jsonata"]
    value: str = Field(min_length=1, max_length=4096)


class ActionHandler(_Frozen):
    """Run one action with a JSONata expression per target field."""

    action: str
    field_mapping: dict[str, str]
    options: dict[str, Any] = Field(default_factory=dict)


class WebhookConfig(_Frozen):
    """Everything ingress and processors know of one webhook. Ids are UUID text; slugs make the receiver URL.

    `priority` 2 and 3 go to the expedited topic. `rate_limit_per_minute` is also the burst.
    """

    tenant_id: str
    tenant_slug: str
    webhook_id: str
    slug: str = Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$")
    name: str = Field(min_length=1, max_length=255)
    version: int = Field(ge=1)
    is_active: bool = True
    auth_type: Literal["hmac_sha256"] = "hmac_sha256"
    auth_config: HmacAuth
    idempotency_source: IdempotencySource | None = None
    idempotency_window_seconds: int = Field(default=86_400, ge=60, le=2_592_000)
    ordering_key: str | None = None
    handler_type: Literal["direct_action"] = "direct_action"
    handler_config: ActionHandler
    priority: int = Field(default=1, ge=0, le=3)
    rate_limit_per_minute: int = Field(default=600, ge=1, le=60_000)
    max_body_bytes: int = Field(default=1_048_576, ge=1, le=16_777_216)
