"""Actions as the API shows them: everything of a definition but the code that runs."""

from pydantic import BaseModel, Field

from schemas.actions import FieldType, RefEntityType


class InboundActionTargetField(BaseModel):
    """One field that a mapping may fill. A bound that is null is none."""

    name: str
    type: FieldType
    description: str
    required: bool = Field(description="it must be mapped, with a value")
    required_on_create: bool = Field(description="it needs a value when the action makes something new")
    enum_values: list[str]
    ref_entity_type: RefEntityType | None
    max_length: int | None = Field(description="characters; of a json field bytes of its JSON text")
    minimum: float | None
    maximum: float | None
    json_object: bool = Field(description="a json field that takes objects only")


class InboundActionOption(BaseModel):
    """One member of `handler_config` beside the mapping. Without `enum_values` it takes a webhook id."""

    name: str
    enum_values: list[str]
    default: str | None


class InboundActionDefinition(BaseModel):
    """One action. Each group of `required_one_of` needs a value in at least one of its fields."""

    name: str
    entity_type: str
    display_name: str
    description: str
    target_fields: list[InboundActionTargetField]
    required_one_of: list[list[str]]
    options: list[InboundActionOption]
    package: str = Field(description="the installed package that brings it; `hookline` brings those of Hookline's own")
