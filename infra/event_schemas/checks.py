"""Whether a JSON Schema (2020-12) that somebody wrote is fit for use. Pure.

It is checked against its meta-schema, leads nowhere outside itself, has patterns that are matched in linear time, and
stays within bounds. Every problem is found at once, but for those that make the others meaningless.
"""

from collections.abc import Container, Iterator
from typing import Any, NamedTuple

import jsonschema_rs

from infra.event_schemas.accepted import Schema, target
from infra.requests.errors import SchemaError
from infra.requests.validation import compile_validator, is_deeper
from schemas.encoding import record_bytes

SCHEMA_BYTES_MAX = 65_536
DEPTH_MAX = 32
PROBLEMS_MAX = 100
MESSAGE_LENGTH_MAX = 300
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_META = jsonschema_rs.Draft202012Validator({"$ref": DIALECT})
_ONE = (
    *("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("$defs", "dependentSchemas", "patternProperties", "properties")
_ANCHORS = ("$anchor", "$dynamicAnchor")
_ROOT_ONLY = ("$id", "$schema", "$vocabulary")
Step = str | int
Path = tuple[Step, ...]


class SchemaProblem(NamedTuple):
    """One thing that is wrong with a schema; `path` leads to it."""

    path: Path
    message: str


def find_problems(json_schema: Schema) -> list[SchemaProblem]:
    """What is wrong with a schema, PROBLEMS_MAX of it; empty: nothing."""
    size_bytes = len(record_bytes(json_schema))
    if size_bytes > SCHEMA_BYTES_MAX:
        return [SchemaProblem((), f"is {size_bytes} bytes of JSON; {SCHEMA_BYTES_MAX} are allowed")]
    if is_deeper(json_schema, DEPTH_MAX):
        return [SchemaProblem((), f"is nested more than {DEPTH_MAX} deep")]
    problems = [*_against_the_standard(json_schema)] or [*_of_schemas(json_schema)]
    if not problems:
        try:
            compile_validator(json_schema)
        except SchemaError as error:
            problems.append(SchemaProblem((), str(error)))
    return problems[:PROBLEMS_MAX]


def _against_the_standard(json_schema: Schema) -> Iterator[SchemaProblem]:
    dialect = json_schema.get("$schema", DIALECT)
    if dialect != DIALECT:
        yield SchemaProblem(("$schema",), f"must be {DIALECT}")
    for error in _META.iter_errors(json_schema):
        yield SchemaProblem(tuple(error.instance_path), error.message[:MESSAGE_LENGTH_MAX])


def _of_schemas(root: Schema) -> Iterator[SchemaProblem]:
    """What the meta-schema does not say, of each schema inside."""
    found = list(_schemas(root, ()))
    anchors = {schema[key] for _, schema in found for key in _ANCHORS if key in schema}
    known = {id(schema) for _, schema in found}
    for path, schema in found:
        for keyword in _ROOT_ONLY if path else ():
            if keyword in schema:
                yield SchemaProblem((*path, keyword), "may stand at the top only")
        for keyword in ("$ref", "$dynamicRef"):
            if keyword in schema and (fault := _reference_fault(schema[keyword], root, anchors, known)):
                yield SchemaProblem((*path, keyword), fault)
        for steps, pattern in _patterns(schema):
            if not _is_usable(pattern):
                message = "is not a pattern that can be matched in linear time (no look-around, no back-references)"
                yield SchemaProblem((*path, *steps), message)


def _reference_fault(reference: str, root: Schema, anchors: Container[str], known: Container[int]) -> str | None:
    """A reference to what only looks like a schema would lead past these checks."""
    if not reference.startswith("#"):
        return "leads outside the schema; definitions stand under $defs"
    if reference[1:] in anchors:
        return None
    try:
        found = target(reference, root)
    except SchemaError as error:
        return str(error)
    return None if isinstance(found, bool) or id(found) in known else "does not lead to a schema"


def _patterns(schema: Schema) -> Iterator[tuple[Path, str]]:
    if "pattern" in schema:
        yield ("pattern",), schema["pattern"]
    for pattern in schema.get("patternProperties", ()):
        yield ("patternProperties", pattern), pattern


def _is_usable(pattern: str) -> bool:
    try:
        compile_validator({"pattern": pattern})
    except SchemaError:
        return False
    return True


def _schemas(schema: Any, path: Path) -> Iterator[tuple[Path, Schema]]:
    """Every schema inside one that keeps to the standard, with the way to it."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for keyword in _ONE:
        if keyword in schema:
            yield from _schemas(schema[keyword], (*path, keyword))
    for keyword in _LISTS:
        for index, one in enumerate(schema.get(keyword, ())):
            yield from _schemas(one, (*path, keyword, index))
    for keyword in _MAPS:
        for name, one in schema.get(keyword, {}).items():
            yield from _schemas(one, (*path, keyword, name))
