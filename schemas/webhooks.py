"""A webhook's configuration as it stands in configuration.webhook.changed.v1 (compacted).

Secrets inside are ciphertexts (`infra.secretbox`), never plain text.
"""

from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.handshakes import HandshakeRule

SLUG_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"
NAME_LENGTH_MAX = 255
EXPRESSION_LENGTH_MAX = 65_536
SECRET_LENGTH_MIN = 16
SECRET_LENGTH_MAX = 1_024
CIDRS_MAX = 256
#: A header field name (RFC 9110).
HEADER_PATTERN = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,127}$"
#: What `signed_payload` may hold beside fixed text.
PLACEHOLDER_PATTERN = r"\{(body|timestamp|id|method|path|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+)\}"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SealedSecret(_Frozen):
    """`sealed` is a ciphertext of `infra.secretbox`; after `valid_until_us` (null: no end) it proves nothing."""

    sealed: str
    valid_until_us: int | None = None


Secrets = Annotated[tuple[SealedSecret, ...], Field(min_length=1, max_length=2)]


class _Scheme(_Frozen):
    """`ip_cidrs` (v4 or v6), where not empty, must hold the sender's address besides."""

    ip_cidrs: tuple[str, ...] = Field(default=(), max_length=CIDRS_MAX)


class HmacScheme(_Scheme):
    """auth_type hmac_sha256: the signature of the exact bytes stands in `signature_header`."""

    type: Literal["hmac_sha256"] = "hmac_sha256"
    signature_header: str = Field(default="X-Signature", pattern=HEADER_PATTERN)
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64", "base64url"] = "hex"
    prefix: str | None = Field(default=None, max_length=64)
    signed_payload: str = Field(default="{body}", min_length=1, max_length=1_024)
    timestamp_header: str | None = Field(default=None, pattern=HEADER_PATTERN)
    tolerance_seconds: int = Field(default=300, ge=1, le=86_400)


class BearerScheme(_Scheme):
    """auth_type bearer: `Authorization: Bearer TOKEN`, the scheme in any case."""

    type: Literal["bearer"] = "bearer"


class BasicScheme(_Scheme):
    """auth_type basic (RFC 7617): the user name here, the password as the secret."""

    type: Literal["basic"] = "basic"
    username: str = Field(min_length=1, max_length=255, pattern=r"^[^:\x00-\x1f\x7f]+$")


class ApiKeyScheme(_Scheme):
    """auth_type api_key: the key stands in `header`."""

    type: Literal["api_key"] = "api_key"
    header: str = Field(default="X-API-Key", pattern=HEADER_PATTERN)


class PathTokenScheme(_Scheme):
    """auth_type path_token: the token stands in the query parameter `query_param`."""

    type: Literal["path_token"] = "path_token"
    query_param: str = Field(default="token", pattern=r"^[A-Za-z0-9_.-]{1,64}$")


class StandardWebhooksScheme(_Scheme):
    """auth_type standard_webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature` (standardwebhooks.com).

    The secret is `whsec_` and base64; with `public_key` (`whpk_` and base64, Ed25519) there is none.
    """

    type: Literal["standard_webhooks"] = "standard_webhooks"
    public_key: str | None = Field(default=None, pattern=r"^whpk_[A-Za-z0-9+/]{43}=$")
    tolerance_seconds: int = Field(default=300, ge=1, le=86_400)


class PresetScheme(_Scheme):
    """auth_type preset: a sender of `presets/` by name; its own fields stand beside (`schemas.presets`)."""

    model_config = ConfigDict(
        frozen=True, extra="allow", json_schema_extra={"additionalProperties": {"type": "string"}}
    )

    type: Literal["preset"] = "preset"
    preset: str = Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$")

    @property
    def fields(self) -> dict[str, Any]:
        """The preset's own fields, without its secret."""
        return dict(self.__pydantic_extra__ or {})


class IpAllowlistScheme(_Scheme):
    """auth_type ip_allowlist: the sender's address is the only proof."""

    type: Literal["ip_allowlist"] = "ip_allowlist"
    ip_cidrs: tuple[str, ...] = Field(min_length=1, max_length=CIDRS_MAX)


class NoScheme(_Scheme):
    """auth_type none: anyone who knows the URL may send, which has to be acknowledged."""

    type: Literal["none"] = "none"
    acknowledge_unauthenticated: Literal[True]


class HmacAuth(HmacScheme):
    """The scheme with its secrets."""

    secrets: Secrets


class BearerAuth(BearerScheme):
    """The scheme with its secrets."""

    secrets: Secrets


class BasicAuth(BasicScheme):
    """The scheme with its secrets."""

    secrets: Secrets


class ApiKeyAuth(ApiKeyScheme):
    """The scheme with its secrets."""

    secrets: Secrets


class PathTokenAuth(PathTokenScheme):
    """The scheme with its secrets."""

    secrets: Secrets


class StandardWebhooksAuth(StandardWebhooksScheme):
    """The scheme with its secrets; none with a public key."""

    secrets: tuple[SealedSecret, ...] = Field(default=(), max_length=2)


class PresetAuth(PresetScheme):
    """The scheme with its secrets; none where the preset proves with a public key."""

    secrets: tuple[SealedSecret, ...] = Field(default=(), max_length=2)


class IpAllowlistAuth(IpAllowlistScheme):
    """The scheme, which has no secret."""

    secrets: tuple[()] = ()


class NoAuth(NoScheme):
    """The scheme, which has no secret."""

    secrets: tuple[()] = ()


AuthConfig = Annotated[
    HmacAuth
    | BearerAuth
    | BasicAuth
    | ApiKeyAuth
    | PathTokenAuth
    | StandardWebhooksAuth
    | PresetAuth
    | IpAllowlistAuth
    | NoAuth,
    Field(discriminator="type"),
]
#: A scheme without its secrets: what the public API shows of it.
Scheme = (
    HmacScheme
    | BearerScheme
    | BasicScheme
    | ApiKeyScheme
    | PathTokenScheme
    | StandardWebhooksScheme
    | PresetScheme
    | IpAllowlistScheme
    | NoScheme
)
AuthType = Literal[
    "hmac_sha256",
    "bearer",
    "basic",
    "api_key",
    "path_token",
    "standard_webhooks",
    "preset",
    "ip_allowlist",
    "none",
]


class IdempotencySource(_Frozen):
    """Where the dedupe key comes from: a header's name or a JSONata expression over the body."""

    type: Literal["header", "jsonata"]
    value: str = Field(min_length=1, max_length=4096)


class ActionHandler(_Frozen):
    """handler_type direct_action: run one action with a JSONata expression per target field."""

    type: Literal["direct_action"] = "direct_action"
    action: str
    field_mapping: dict[str, str]
    options: dict[str, Any] = Field(default_factory=dict)


class WorkflowHandler(_Frozen):
    """handler_type workflow: start one run of the workflow with the request as its input."""

    type: Literal["workflow"] = "workflow"
    workflow_id: str


HandlerConfig = Annotated[ActionHandler | WorkflowHandler, Field(discriminator="type")]
HandlerType = Literal["direct_action", "workflow"]


class EventValidation(_Frozen):
    """What bodies are held to: `json_schema` is that of `event_type` in `event_version`, as it was when saved.

    `warn` says in the outcome what does not fit; `reject` fails the delivery.
    """

    mode: Literal["warn", "reject"]
    event_type: str
    event_version: int = Field(ge=1)
    json_schema: dict[str, Any]


class WebhookConfig(_Frozen):
    """Everything ingress and processors know of one webhook. Ids are UUID text; slugs make the receiver URL.

    `is_active` is false too while the tenant is not entitled to webhooks. `priority` 2 and 3 go to the expedited
    topic. `rate_limit_per_minute` is also the burst. `filters` are those of the public API (`infra.requests.filters`).
    `metadata` is fixed, `enrichment` is JSONata per further member of it. `redact_paths` are JSON paths of the
    body that the log and the sample mask. One delivery may be replayed `replay_count_max` times.
    """

    tenant_id: str
    tenant_slug: str
    webhook_id: str
    slug: str = Field(pattern=SLUG_PATTERN)
    name: str = Field(min_length=1, max_length=NAME_LENGTH_MAX)
    version: int = Field(ge=1)
    is_active: bool = True
    auth_type: AuthType = "hmac_sha256"
    auth_config: AuthConfig
    idempotency_source: IdempotencySource | None = None
    idempotency_window_seconds: int = Field(default=86_400, ge=60, le=2_592_000)
    ordering_key: str | None = None
    handler_type: HandlerType = "direct_action"
    handler_config: HandlerConfig
    filters: dict[str, Any] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    enrichment: dict[str, str] = Field(default_factory=dict)
    redact_paths: tuple[str, ...] = ()
    handshake: HandshakeRule | None = None
    validation: EventValidation | None = None
    priority: int = Field(default=1, ge=0, le=3)
    rate_limit_per_minute: int = Field(default=600, ge=1, le=60_000)
    max_body_bytes: int = Field(default=1_048_576, ge=1, le=16_777_216)
    replay_count_max: int = Field(default=10, ge=0, le=1_000)

    @model_validator(mode="before")
    @classmethod
    def _name_the_variants(cls, given: Any) -> Any:
        """The type may be left out inside the configuration when it stands beside it, and the other way round."""
        if not isinstance(given, dict):
            return given
        named = dict(given)
        for outer, inner, default in (
            ("auth_type", "auth_config", "hmac_sha256"),
            ("handler_type", "handler_config", "direct_action"),
        ):
            variant = named.get(inner)
            if isinstance(variant, dict):
                named.setdefault(outer, variant.get("type", default))
                named[inner] = {"type": named[outer], **variant}
            elif isinstance(variant, _Frozen):
                named.setdefault(outer, variant.type)  # type: ignore[attr-defined]  # a variant of either union
        return named

    @field_validator("auth_config")
    @classmethod
    def _check_networks(cls, auth: AuthConfig) -> AuthConfig:
        for text in auth.ip_cidrs:
            ip_network(text.strip())
        return auth

    @model_validator(mode="after")
    def _require_agreement(self) -> "WebhookConfig":
        if self.auth_config.type != self.auth_type:
            raise ValueError("auth_config.type and auth_type differ")
        if self.handler_config.type != self.handler_type:
            raise ValueError("handler_config.type and handler_type differ")
        return self
