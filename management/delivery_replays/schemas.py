"""A replay of one delivery as the API takes and shows it."""

from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, model_validator

from management.replaying.changes import OPERATIONS_MAX
from management.replaying.selections import REASON_LENGTH_MAX, ReplayMode

POINTER_LENGTH_MAX = 1_024
_Pointer = Field(max_length=POINTER_LENGTH_MAX, description="a JSON Pointer (RFC 6901): `/alert/severity`")


class PatchOperation(BaseModel):
    """One operation of a JSON Patch (RFC 6902)."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: str = _Pointer
    source: str | None = Field(
        default=None, alias="from", max_length=POINTER_LENGTH_MAX, description="of move and copy"
    )
    value: Any = None


class DeliveryReplayInput(BaseModel):
    """Every member may be left out. At most one of `body`, `body_base64` and `patch` changes the body."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: ReplayMode = Field(
        default="redrive",
        description="redrive: whatever ran before; fill: only where nothing of it has succeeded yet",
    )
    reason: str | None = Field(default=None, min_length=1, max_length=REASON_LENGTH_MAX)
    body: Any = Field(default=None, description="the whole body instead, any JSON value")
    body_base64: Base64Bytes | None = Field(default=None, description="the whole body instead, in the origin's form")
    patch: list[PatchOperation] | None = Field(default=None, min_length=1, max_length=OPERATIONS_MAX)

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        given = self.model_fields_set & {"body", "body_base64", "patch"}
        if len(given) > 1:
            raise ValueError(f"give one of {', '.join(sorted(given))}")
        return self


class ReplayPlace(BaseModel):
    """Where the replay's record stands in Kafka."""

    topic: str
    partition: int
    offset: int


class DeliveryReplay(BaseModel):
    """A replay on its way. `replayed_from` is the origin: of a replay that is replayed, what that one replays."""

    delivery_id: UUID
    replay_id: UUID
    replayed_from: UUID
    mode: ReplayMode
    source: Literal["kafka", "stored"] = Field(description="stored: the request was put together from the log")
    raw_record: ReplayPlace
