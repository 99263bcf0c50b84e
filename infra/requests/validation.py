"""Bodies held to a JSON Schema (2020-12), within bounds. Pure.

`format` is an annotation, as the standard has it. Nothing is fetched: references lead inside the schema. Patterns are
matched in linear time. A problem names the place in the body and the rule, never the value found there.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import jsonschema_rs

from infra.requests.errors import SchemaError
from infra.requests.schema_work import DEPTH_MAX, check_work
from schemas.encoding import record_bytes

PROBLEMS_MAX = 20
PROBLEM_LENGTH_MAX = 300
SCHEMA_BYTES_MAX = 262_144
_PATTERN_BYTES_MAX = 1_048_576
#: All problems of a larger body would take long to find: it is left at the first one.
_BODY_BYTES_FOR_ALL = 65_536
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VALUE = "the value"


class BodyValidator:
    """A schema, compiled once. Safe to share between threads."""

    __slots__ = ("_validator",)

    def __init__(self, validator: jsonschema_rs.Draft202012Validator) -> None:
        self._validator = validator

    def problems(self, body: Any) -> list[str]:
        """What does not fit, the first PROBLEMS_MAX of it, such as `/alert/id: the value is not of type "string"`."""
        if is_deeper(body, DEPTH_MAX):
            return [f"the body is nested more than {DEPTH_MAX} deep"]
        try:
            if self._validator.is_valid(body):
                return []
            if len(record_bytes(body)) <= _BODY_BYTES_FOR_ALL:
                return [_described(problem) for problem in islice(self._validator.iter_errors(body), PROBLEMS_MAX)]
            self._validator.validate(body)
        except jsonschema_rs.ValidationError as problem:
            return [_described(problem)]
        except UnicodeEncodeError:
            return ["the body has text that is not Unicode (half of a surrogate pair)"]
        return []


def compile_validator(json_schema: Any) -> BodyValidator:
    """Compile a schema (an object, true or false). Raises SchemaError."""
    if not isinstance(json_schema, dict | bool):
        raise SchemaError("a JSON Schema is an object, true or false")
    if len(record_bytes(json_schema)) > SCHEMA_BYTES_MAX:
        raise SchemaError(f"the schema is larger than {SCHEMA_BYTES_MAX} bytes")
    dialect = json_schema.get("$schema", _DIALECT) if isinstance(json_schema, dict) else _DIALECT
    if not isinstance(dialect, str) or dialect.rstrip("#") != _DIALECT:
        raise SchemaError(f"$schema must be {_DIALECT}")
    check_work(json_schema)
    try:
        return BodyValidator(
            jsonschema_rs.Draft202012Validator(
                json_schema,
                mask=_VALUE,
                offline=True,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES_MAX),
            )
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        place = _place(error.instance_path) if isinstance(error, jsonschema_rs.ValidationError) else ""
        raise SchemaError(f"{place}: {error.message}"[:PROBLEM_LENGTH_MAX].removeprefix(": ")) from error
    except ValueError as error:
        raise SchemaError(f"the schema cannot be read: {error}"[:PROBLEM_LENGTH_MAX]) from error


def _described(problem: jsonschema_rs.ValidationError) -> str:
    return f"{_place(problem.instance_path) or 'the body'}: {problem.message}"[:PROBLEM_LENGTH_MAX]


def _place(path: Iterable[str | int]) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def is_deeper(body: Any, depth_max: int) -> bool:
    """Whether arrays and objects are nested more than `depth_max` deep."""
    level = [body]
    for _ in range(depth_max + 1):
        below = [value for value in level if isinstance(value, dict | list)]
        if not below:
            return False
        level = [member for value in below for member in (value.values() if isinstance(value, dict) else value)]
    return True
