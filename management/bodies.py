"""Bodies that a resource checks by itself, and which the OpenAPI document describes all the same."""

from dataclasses import dataclass

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


@dataclass(frozen=True, slots=True)
class SchemaOf:
    """Annotates a body that is any JSON object as far as FastAPI is concerned: it is described as `model`.

    FastAPI would stop at the shape of a body; a resource that finds every problem at once looks at it by itself.
    """

    model: type[BaseModel]

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(self.model.__pydantic_core_schema__)
