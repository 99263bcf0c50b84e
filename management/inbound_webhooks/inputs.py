"""Bodies as the OpenAPI document describes them; `validation` checks them, and finds every problem at once."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from management.inbound_webhooks.schemas import (
    READ_ONLY,
    ActionHandlerSettings,
    EventValidationSettings,
    MemberSettings,
)
from schemas.webhooks import (
    SECRET_LENGTH_MAX,
    SECRET_LENGTH_MIN,
    ApiKeyScheme,
    AuthType,
    BasicScheme,
    BearerScheme,
    HandlerType,
    HmacScheme,
    IpAllowlistScheme,
    NoScheme,
    PathTokenScheme,
    PresetScheme,
    StandardWebhooksScheme,
    WorkflowHandler,
)


def secret_field() -> Any:
    """A member that holds a secret."""
    return Field(
        default=None,
        min_length=SECRET_LENGTH_MIN,
        max_length=SECRET_LENGTH_MAX,
        description="never shown; generated at creation where it is left out",
        json_schema_extra={"writeOnly": True},
    )


class HmacAuthInput(HmacScheme):
    """hmac_sha256: the signature of the exact bytes stands in `signature_header`."""

    secret: str | None = secret_field()


class BearerAuthInput(BearerScheme):
    """bearer: `Authorization: Bearer TOKEN`."""

    token: str | None = secret_field()


class BasicAuthInput(BasicScheme):
    """basic: a user name and a password (RFC 7617)."""

    password: str | None = secret_field()


class ApiKeyAuthInput(ApiKeyScheme):
    """api_key: the key stands in `header`."""

    key: str | None = secret_field()


class PathTokenAuthInput(PathTokenScheme):
    """path_token: the token stands in the query parameter `query_param`."""

    token: str | None = secret_field()


class StandardWebhooksAuthInput(StandardWebhooksScheme):
    """standard_webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`; a secret or a public key."""

    secret: str | None = secret_field()


class PresetAuthInput(PresetScheme):
    """preset: a sender by name; its own fields, the secret among them, stand beside (`GET …/presets`)."""


class IpAllowlistAuthInput(IpAllowlistScheme):
    """ip_allowlist: the sender's address is the only proof."""


class NoAuthInput(NoScheme):
    """none: anyone may send, which has to be acknowledged."""


class ActionHandlerInput(ActionHandlerSettings):
    """direct_action: one action, a JSONata expression per field, and the action's options beside them."""


class WorkflowHandlerInput(WorkflowHandler):
    """workflow: one run of the workflow per request."""


class EventValidationInput(EventValidationSettings):
    """What bodies are held to."""


InboundWebhookAuthInput = TypeAliasType(
    "InboundWebhookAuthInput",
    HmacAuthInput
    | BearerAuthInput
    | BasicAuthInput
    | ApiKeyAuthInput
    | PathTokenAuthInput
    | StandardWebhooksAuthInput
    | PresetAuthInput
    | IpAllowlistAuthInput
    | NoAuthInput,
)
InboundWebhookHandlerInput = TypeAliasType("InboundWebhookHandlerInput", ActionHandlerInput | WorkflowHandlerInput)


class InboundWebhookCreateInput(MemberSettings):
    """A new webhook. A type may stand in the configuration instead of beside it; where both stand they agree."""

    validation: EventValidationInput | None = None
    auth_type: AuthType | None = None
    auth_config: InboundWebhookAuthInput | None = None
    handler_type: HandlerType | None = None
    handler_config: InboundWebhookHandlerInput


def _as_an_update(schema: dict[str, Any]) -> None:
    for member in schema["properties"].values():
        member.pop("default", None)
    for name in sorted(READ_ONLY):
        schema["properties"][name] = {"readOnly": True, "description": "Ignored"}
    schema["properties"]["version"] = {
        "anyOf": [{"type": "integer"}, {"type": "null"}],
        "description": "Where it is there it has to be the current one: 412 else",
    }


class InboundWebhookUpdateInput(InboundWebhookCreateInput):
    """What GET shows is taken unchanged. What is left out stays as it is: there are no defaults here."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_as_an_update)


class InboundWebhookPatchInput(BaseModel):
    """A merge patch (RFC 7396) of `InboundWebhookUpdateInput`: null takes a member away, objects merge."""

    model_config = ConfigDict(extra="allow")
