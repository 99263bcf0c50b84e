"""How long the log keeps what: in days, from when a request was received. docs/retention.md has the whole picture."""

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

DAYS_MAX = 3_650
#: Jobs that work on the log, rollups above all, may be that far behind: no row goes earlier.
ROW_DAYS_MIN = 7
REJECTION_DAYS_MIN = 1
#: In force where a tenant says nothing else; the tables' own expiry has the same numbers.
BODY_DAYS_DEFAULT = 30
ROW_DAYS_DEFAULT = 400
REJECTION_DAYS_DEFAULT = 14


class RetentionDays(BaseModel):
    """Of deliveries: `bodies` are kept whole so long, then their first 1,024 bytes and the metadata as long as `rows`.

    With 0 days a body is never written whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bodies: int = Field(ge=0, le=DAYS_MAX)
    rows: int = Field(ge=ROW_DAYS_MIN, le=DAYS_MAX)

    @field_validator("rows")
    @classmethod
    def _require_rows_to_outlast_bodies(cls, rows: int, info: ValidationInfo) -> int:
        bodies = info.data.get("bodies", 0)
        if rows < bodies:
            raise ValueError(f"rows must be kept at least as long as their bodies, which is {bodies} days")
        return rows


RETENTION_DEFAULT = RetentionDays(bodies=BODY_DAYS_DEFAULT, rows=ROW_DAYS_DEFAULT)
