"""Dead letters as the API shows them, and what may be done with them."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra.topics import ACTION_DEAD_LETTERS, REQUEST_DEAD_LETTERS
from management.deliveries.schemas import DeliveredRequest
from management.delivery_replays.schemas import DeliveryReplayInput
from management.log_pages import LogRequest
from management.log_texts import RawRecord
from management.moments import Moment
from management.replaying.changes import Operation
from management.replaying.selections import ReplayMode
from schemas.records import ErrorCode

REASON_LENGTH_MAX = 500
#: Letters of one request.
REDRIVEN_MAX = 1_000
RATE_MIN, RATE_MAX, RATE_DEFAULT = 50, 1_000, 200
LETTER_ID_LENGTH_MAX = 300

LetterStage = Literal["processors", "actions"]
LetterState = Literal["open", "redriven", "dismissed"]
Reason = Annotated[str, Field(min_length=1, max_length=REASON_LENGTH_MAX)]
CHANGES = ("body", "body_base64", "fields", "patch")
_ID = "topic:partition:offset"


class LetterTopic(StrEnum):
    """Where letters stand."""

    REQUESTS = REQUEST_DEAD_LETTERS
    ACTIONS = ACTION_DEAD_LETTERS


class LetterConditions(BaseModel):
    """Filters of letters: all have to fit. The time window is of `failed_at`: since ≤ t < until."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: LetterTopic | None = None
    webhook_id: UUID | None = None
    stage: LetterStage | None = None
    code: ErrorCode | None = None


class DeadLetterFilter(LogRequest, LetterConditions):
    """Which letters a list shows."""

    state: LetterState | None = None


class DeadLetter(BaseModel):
    """A record that could not be processed, and what was done with it. `id` is where it stands."""

    id: str = Field(description=_ID)
    topic: LetterTopic
    partition: int
    offset: int
    webhook_id: UUID | None = Field(description="null: the command does not say it")
    delivery_id: UUID | None
    stage: str
    code: ErrorCode
    failed_at: str = Field(description="RFC 3339, UTC, milliseconds")
    record_bytes: int = Field(description="of the request's body, or of the action's command")
    state: LetterState
    decided_at: str | None = Field(description="when it was re-driven or dismissed")
    decided_by: dict[str, Any] | None
    reason: str | None
    new_delivery_id: UUID | None = Field(
        description="what came of a re-drive; the delivery's own where it had not ended"
    )
    is_published: bool = Field(description="false of a re-driven one: it was interrupted, and another call ends it")


class DeadCommand(BaseModel):
    """The command of an action. `fields` is null where they are hidden, or where there are none."""

    action: str | None
    fields: dict[str, Any] | None
    fields_redacted: bool
    config_version: int | None
    is_test: bool


class DeadLetterDetail(DeadLetter):
    """A letter with its record: `request` or, of an action, `command`; `withheld` says why neither is there."""

    message: str | None = Field(description="what went wrong, without what is masked in the body")
    origin: RawRecord | None = Field(description="where the record stood that could not be processed")
    received_at: str | None
    idempotency_key: str | None
    request: DeliveredRequest | None
    command: DeadCommand | None
    withheld: str | None


class LetterDismissal(BaseModel):
    """Why nothing is to be done with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason


class LetterRedrive(DeliveryReplayInput):
    """Why, how, and with what changed: for a request its body or a patch of it, for an action its fields or a patch."""

    reason: Reason
    fields: dict[str, Any] | None = Field(default=None, description="of an action: instead of its fields")

    @model_validator(mode="after")
    def _require_one_change(self) -> Self:
        given = self.model_fields_set & set(CHANGES)
        if len(given) > 1:
            raise ValueError(f"give one of {', '.join(sorted(given))}")
        return self

    @property
    def operations(self) -> list[Operation]:
        """Of the patch."""
        return [one.model_dump(by_alias=True, exclude_unset=True) for one in self.patch or ()]


class OpenLetters(LetterConditions):
    """Which open letters are meant."""

    since: Moment | None = None
    until: Moment | None = None


class ManyRedrives(BaseModel):
    """Letters by their ids, or open ones by filters, oldest first: at most 1,000."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason
    ids: list[Annotated[str, Field(min_length=1, max_length=LETTER_ID_LENGTH_MAX)]] | None = Field(
        default=None, min_length=1, max_length=REDRIVEN_MAX, description=_ID
    )
    filter: OpenLetters | None = None
    mode: ReplayMode = Field(
        default="redrive",
        description="redrive: whatever ran before; fill: only where nothing of its delivery has succeeded yet",
    )
    rate_per_second: int = Field(default=RATE_DEFAULT, ge=RATE_MIN, le=RATE_MAX)

    @model_validator(mode="after")
    def _require_one_choice(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either ids or a filter")
        return self


class Redriven(BaseModel):
    """A letter that was given another try."""

    id: str
    new_delivery_id: UUID
    replay_id: UUID
    place: str = Field(description="topic:partition:offset of the new record")


class NotRedriven(BaseModel):
    """A letter that was not, and why."""

    id: str
    code: str
    message: str


class RedriveSummary(BaseModel):
    """What came of each. `has_more`: more open letters fit the filter than one request takes; ask again."""

    redriven: list[Redriven]
    refused: list[NotRedriven]
    has_more: bool
