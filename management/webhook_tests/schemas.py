"""What tests take and answer."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from management.deliveries.schemas import InboundWebhookDelivery
from schemas.webhooks import HEADER_PATTERN

KEPT_TESTS_MAX = 10
#: Of a kept test's body; what is over is cut.
KEPT_BODY_BYTES_MAX = 262_144
JSON_CONTENT = "application/json"
Json = dict[str, Any]

_Text = Annotated[str, Field(max_length=8_192, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Headers = Annotated[dict[Annotated[str, Field(pattern=HEADER_PATTERN)], _Text], Field(max_length=100)]
_Query = Annotated[dict[Annotated[str, Field(min_length=1, max_length=255)], _Text], Field(max_length=100)]


class _Given(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GivenRequest(_Given):
    """A request to try. `body` left out means the captured sample; null is a body."""

    body: Any = Field(default=None, description="any JSON value; left out: the captured sample")
    headers: _Headers = Field(default_factory=dict)
    query: _Query = Field(default_factory=dict)


class WebhookTestInput(GivenRequest):
    """A request to send through the pipeline, or, with `dry_run`, to follow without sending it."""

    text: str | None = Field(default=None, description="the exact body instead of `body`: a form, or no JSON at all")
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    content_type: _Text = JSON_CONTENT
    dry_run: bool = False


class MappingPreviewInput(GivenRequest):
    """Expressions to try, saved or not. What is left out is the webhook's own."""

    action: str | None = Field(default=None, min_length=1, max_length=64)
    field_mapping: Annotated[dict[str, str], Field(max_length=200)] | None = None


class FilterTestInput(GivenRequest):
    """Filters to try, saved or not. Left out: the webhook's own; null: none."""

    filters: Json | None = None


class StoppedBy(BaseModel):
    """The rule or group that did not hold, and where it stands (`filters.all.0`)."""

    path: str
    rule: Json


class FoundProblem(BaseModel):
    """What would fail. `path` is `field_mapping.FIELD`, or empty where it is the whole."""

    path: str
    message: str


class DryRun(BaseModel):
    """What the pipeline would do with the request. `fields` are what the action would be given."""

    valid: bool = Field(description="whether the action would be asked for: nothing stops or fails the request")
    stopped_by: StoppedBy | None
    fields: Json | None
    problems: list[FoundProblem]
    dedupe_key: str | None
    ordering_key: str | None
    warnings: list[str]


class TestedDelivery(InboundWebhookDelivery):
    """The delivery a test made. While it is pending `waiting_for` says for what, in words."""

    __test__ = False

    webhook_is_active: bool = Field(description="an inactive webhook can be tested; its senders are refused")
    waiting_for: list[str]


class ExpressionFailure(BaseModel):
    """Why a field has no usable value. `position` counts characters of its expression; null: not in the expression."""

    message: str
    position: int | None


class FieldPreview(BaseModel):
    """One expression over the request. `type_ok` is null where there is no value to check."""

    value: Any
    present: bool
    type_ok: bool | None
    error: ExpressionFailure | None
    reads: list[str] = Field(description="paths read, such as `alert.id` or `$headers.subject`; `$` is the whole body")


class MappingPreview(BaseModel):
    """Fields by name; `problems` are of the mapping as a whole, such as a required field that is missing."""

    fields: dict[str, FieldPreview]
    problems: list[FoundProblem]


class FilterVerdict(BaseModel):
    """Whether the request goes on."""

    passes: bool
    stopped_by: StoppedBy | None


class KeptTest(BaseModel):
    """One of the last tests. Headers and parameters that may hold a secret are not kept."""

    test_id: UUID
    tested_at: str = Field(description="RFC 3339, UTC, milliseconds")
    tested_by: Json
    dry_run: bool
    method: str
    headers: dict[str, str]
    query: dict[str, str]
    content_type: str
    body: str
    body_truncated: bool
    answer: Json = Field(description="as it was given, without the request")
    delivery_id: UUID | None
