"""Tags as the API takes and shows them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from infra.entities.patterns import COLOR_PATTERN
from management.entities.schemas import EntityFilter, EntityInput, EntityShown, Search
from management.patching import PatchInput

TaggedType = Literal["client", "contact", "ticket", "asset", "project", "project_task"]
TagText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=50),
    Field(description="unique in the tenant, in any case of its letters"),
]
Color = Annotated[str, StringConstraints(pattern=f"^{COLOR_PATTERN}$"), Field(description="as #rrggbb")]


class TagFilter(EntityFilter):
    """Which tags a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a text")
    entity_type: TaggedType | None = Field(default=None, description="tags that are on an entity of this type")
    entity_id: UUID | None = Field(default=None, description="tags that are on this entity")


class Tag(EntityShown):
    """A text that is put on entities."""

    tag_text: str
    background_color: str | None
    text_color: str | None
    created_by: UUID | None


class TagCreateInput(EntityInput):
    """A new tag."""

    tag_text: TagText
    background_color: Color | None = None
    text_color: Color | None = None
    created_by: UUID | None = Field(default=None, description="a user; else the one who calls")


class TagUpdateInput(PatchInput):
    """What to change of a tag, wherever it is."""

    tag_text: TagText = ""
    background_color: Color | None = None
    text_color: Color | None = None
