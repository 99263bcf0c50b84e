"""Bodies of PATCH: members that are not there stay as they are; null is not the same as not there."""

from typing import Any

from pydantic import BaseModel, ConfigDict


def _without_defaults(schema: dict[str, Any]) -> None:
    for member in schema.get("properties", {}).values():
        member.pop("default", None)


class PatchInput(BaseModel):
    """Defaults of members are never used: they only say that a member may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_without_defaults)

    def changes(self) -> dict[str, Any]:
        """The members that are there."""
        return self.model_dump(exclude_unset=True)
