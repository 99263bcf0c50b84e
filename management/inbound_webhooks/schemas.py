"""An inbound webhook as the API takes and shows it.

`InboundWebhookSettings` is everything that can be configured, in the form the API shows it and versions keep it; the
shown object adds what the system knows besides. Inputs are here for the OpenAPI document: bodies are checked by
`management.inbound_webhooks.validation`, which finds every problem at once.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from schemas.handshakes import HandshakeRule
from schemas.retention import RetentionDays
from schemas.webhooks import (
    NAME_LENGTH_MAX,
    SLUG_PATTERN,
    ApiKeyScheme,
    AuthType,
    BasicScheme,
    BearerScheme,
    HandlerType,
    HmacScheme,
    IdempotencySource,
    IpAllowlistScheme,
    NoScheme,
    PathTokenScheme,
    PresetScheme,
    StandardWebhooksScheme,
    WorkflowHandler,
)

DESCRIPTION_LENGTH_MAX = 2_000
ORDERING_KEY_LENGTH_MAX = 4_096
REDACT_PATHS_MAX = 100
Json = dict[str, Any]
Scalar = str | int | float | bool | None


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EventValidationSettings(_Frozen):
    """What bodies are held to. `event_version` left out means the newest of the moment, and stays that one."""

    mode: Literal["warn", "reject"]
    event_type: str = Field(min_length=1, max_length=255)
    event_version: int | None = Field(default=None, ge=1, le=2_147_483_647)


class ActionHandlerSettings(_Frozen):
    """handler_type direct_action: one action with a JSONata expression per target field; its options stand beside."""

    model_config = ConfigDict(
        frozen=True, extra="allow", json_schema_extra={"additionalProperties": {"type": "string"}}
    )

    type: Literal["direct_action"] = "direct_action"
    action: str = Field(min_length=1, max_length=64)
    field_mapping: dict[str, str]

    @property
    def options(self) -> Json:
        """`on_existing`, `on_duplicate`, `external_ids_of` and what a package's action declares."""
        return dict(self.__pydantic_extra__ or {})


InboundWebhookAuthConfig = TypeAliasType(
    "InboundWebhookAuthConfig",
    Annotated[
        HmacScheme
        | BearerScheme
        | BasicScheme
        | ApiKeyScheme
        | PathTokenScheme
        | StandardWebhooksScheme
        | PresetScheme
        | IpAllowlistScheme
        | NoScheme,
        Field(discriminator="type"),
    ],
)
InboundWebhookHandlerConfig = TypeAliasType(
    "InboundWebhookHandlerConfig",
    Annotated[ActionHandlerSettings | WorkflowHandler, Field(discriminator="type")],
)


class MemberSettings(_Frozen):
    """Members that mean the same whatever the scheme and the handler are."""

    name: str = Field(min_length=1, max_length=NAME_LENGTH_MAX)
    slug: str = Field(pattern=SLUG_PATTERN, description="last part of the receiver URL; unique in the tenant")
    description: str = Field(default="", max_length=DESCRIPTION_LENGTH_MAX)
    is_active: bool = True
    idempotency_source: IdempotencySource | None = None
    idempotency_window_seconds: int = Field(default=86_400, ge=60, le=2_592_000)
    ordering_key: str | None = Field(
        default=None, min_length=1, max_length=ORDERING_KEY_LENGTH_MAX, description="JSONata over the body"
    )
    filters: Json | None = None
    metadata: dict[str, Scalar] = Field(default_factory=dict, description="fixed members; 16 KiB of JSON at most")
    enrichment: dict[str, str] = Field(
        default_factory=dict, description="further members of the metadata: JSONata over the request; 50 at most"
    )
    redact_paths: tuple[str, ...] = Field(
        default=(), max_length=REDACT_PATHS_MAX, description="JSON paths that are masked wherever the body is shown"
    )
    handshake: HandshakeRule | None = Field(
        default=None, description="a request that is answered at once; beside those of a preset"
    )
    validation: EventValidationSettings | None = None
    priority: int = Field(default=1, ge=0, le=3, description="0 low, 1 normal, 2 high, 3 critical")
    rate_limit_per_minute: int = Field(default=600, ge=1, le=60_000, description="also the burst")
    max_body_bytes: int = Field(default=1_048_576, ge=1, le=16_777_216)
    replay_count_max: int = Field(
        default=10, ge=0, le=1_000, description="how often one delivery may be replayed; 0: never"
    )
    retention_days: RetentionDays | None = Field(
        default=None, description="how long the log keeps its deliveries; null: as long as the tenant says"
    )


class InboundWebhookSettings(MemberSettings):
    """Everything that can be configured, without secrets."""

    auth_type: AuthType
    auth_config: InboundWebhookAuthConfig
    handler_type: HandlerType
    handler_config: InboundWebhookHandlerConfig

    def as_json(self) -> Json:
        """As versions and audit entries keep it."""
        return self.model_dump(mode="json")


class SettingsWarning(_Frozen):
    """Something that looks wrong for the captured sample, but need not be for other bodies."""

    path: str
    message: str


class WebhookAuthor(_Frozen):
    """Who made it. `id` is null for Hookline itself."""

    type: Literal["user", "api_key", "system"]
    id: UUID | None
    name: str


class InboundWebhookConfig(InboundWebhookSettings):
    """A webhook as it is configured, and what came of it. Whatever GET shows, PUT takes unchanged.

    `sample_payload`, `warnings` and `handshake_token` are left out of lists; `sample_payload` and `handshake_token`
    need `inbound_webhook:update`.
    `last_triggered_at`, `trigger_count` and `error_rate` are null while the log cannot be read.
    """

    id: UUID
    receiver_url: str
    version: int = Field(description="also the ETag")
    has_sample_payload: bool
    sample_payload: Any = Field(default=None, description="the captured body, sensitive")
    sample_captured_at: str | None
    sample_capture_expires_at: str | None = Field(description="until then the next verified body becomes the sample")
    auto_disabled_at: str | None
    last_triggered_at: str | None
    trigger_count: int | None
    error_rate: float | None = Field(description="failed ÷ finished deliveries of the last 24 hours; null: none")
    created_by: WebhookAuthor
    created_at: str = Field(description="RFC 3339, UTC, milliseconds")
    updated_at: str
    secret_rotated_at: str | None = Field(description="when the current secret was set; null: the scheme has none")
    previous_secret_valid_until: str | None = Field(description="null: only one secret is good")
    handshake_token: str | None = Field(
        default=None, description="what the sender asks for at its handshake, to be entered there; null: nothing"
    )
    warnings: list[SettingsWarning] = Field(default_factory=list)


#: Members of `InboundWebhookConfig` that cannot be set. A PUT or PATCH may hold them: they are ignored.
READ_ONLY = frozenset(InboundWebhookConfig.model_fields) - frozenset(InboundWebhookSettings.model_fields)


class InboundWebhookSaved(InboundWebhookConfig):
    """Answer to a change. `secret` is there only when one was generated: it is shown this once."""

    secret: str | None = None


WebhookOrder = Literal[
    "name", "-name", "slug", "-slug", "priority", "-priority", "created_at", "-created_at", "updated_at", "-updated_at"
]


class WebhookListRequest(BaseModel):
    """Which webhooks a list shows, and in which order."""

    model_config = ConfigDict(frozen=True)

    page: int = Field(default=1, ge=1, le=10_000)
    per_page: int = Field(default=25, ge=1, le=100)
    search: str | None = Field(
        default=None, min_length=1, max_length=255, description="part of name, slug, description"
    )
    slug: str | None = Field(default=None, min_length=1, max_length=64, description="exactly this slug")
    is_active: bool | None = None
    handler_type: HandlerType | None = None
    action: str | None = Field(default=None, min_length=1, max_length=64)
    priority: int | None = Field(default=None, ge=0, le=3)
    auth_type: AuthType | None = None
    sort: WebhookOrder = "name"
