"""What comparisons have in common, as the API shows it."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from management.comparing.differences import Totals


class ChangedField(BaseModel):
    """A mapped field that differs. `then` is null for one that was added, `now` for one that was removed.

    What is masked in the body is masked here, and a long value is cut, which an ellipsis at its end says.
    """

    field: str
    change: Literal["added", "removed", "changed"]
    then: Any
    now: Any


class ComparedFailure(BaseModel):
    """Why a request fails."""

    code: str
    message: str
    path: str | None


class ComparedRule(BaseModel):
    """The rule that stops a request, and where it stands."""

    path: str
    rule: dict[str, Any]


class FieldCounts(BaseModel):
    """How often a field differs."""

    added: int = 0
    removed: int = 0
    changed: int = 0


class ComparisonTotals(BaseModel):
    """Counts of all that was compared."""

    compared: int
    different: int = Field(description="in one way or more")
    by_kind: dict[str, int] = Field(description="how many differ in this way; one may differ in several")
    then: dict[str, int] = Field(description="how many there were of each outcome")
    now: dict[str, int] = Field(description="how many there would be now")
    fields: dict[str, FieldCounts] = Field(description="by name, fields that differ")
    not_comparable: dict[str, int] = Field(description="by reason; these are not among the compared")


def shown_totals(totals: Totals) -> ComparisonTotals:
    """Counts by name, the most frequent first."""
    return ComparisonTotals(
        compared=totals.compared,
        different=totals.different,
        by_kind=dict(totals.by_kind.most_common()),
        then=dict(totals.then.most_common()),
        now=dict(totals.now.most_common()),
        fields={name: FieldCounts(**counts) for name, counts in totals.fields.items()},
        not_comparable=dict(totals.not_comparable.most_common()),
    )
