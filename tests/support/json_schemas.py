"""Random JSON Schemas over a small world, changes of them, and values to try them with."""

import random
from collections.abc import Callable
from typing import Any

NAMES, TEXTS, PATTERNS = ("a", "ab", "b"), ("", "a", "ab", "b"), ("^a", "b$")
SCALARS = (None, True, False, -1, 0, 1, 1.0, 2, 0.5, 3, *TEXTS)
BOUNDS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), (-1, 0, 0.5, 1, 2)),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), (0, 1, 2)),
    "multipleOf": (1, 2, 3, 6, 0.5),
    "pattern": PATTERNS,
    "uniqueItems": (True, False),
    "type": ("null", "boolean", "integer", "number", "string", "array", "object"),
}


_NESTED = (
    *("properties", "properties", "properties", "additionalProperties", "patternProperties", "items", "prefixItems"),
    *("contains", "propertyNames", "anyOf", "oneOf", "allOf", "not", "if", "dependentRequired", "dependentSchemas"),
    "$ref",
)
_COUNTS: tuple[dict[str, int], ...] = ({}, {"minContains": 2}, {"maxContains": 1})


def random_schema(chance: random.Random, depth: int) -> Any:
    """A schema of a few keywords over a small world, so that two of them often have to do with each other."""
    if chance.random() < 0.05:
        return chance.random() < 0.7
    schema: dict[str, Any] = {}
    for _ in range(chance.choice((1, 1, 2, 3))):
        keyword = chance.choice(
            (*BOUNDS, "type", "type", "types", "enum", "const", "required", *(_NESTED if depth else ()))
        )
        schema |= _random_keyword(chance, keyword, depth - 1)
    return schema


def _random_keyword(chance: random.Random, keyword: str, depth: int) -> dict[str, Any]:
    def schema() -> Any:
        return random_schema(chance, depth)

    if keyword in BOUNDS:
        return {keyword: chance.choice(BOUNDS[keyword])}
    if keyword in ("anyOf", "oneOf", "allOf"):
        return {keyword: [schema(), schema()]}
    made: dict[str, Callable[[], dict[str, Any]]] = {
        "types": lambda: {"type": chance.sample(BOUNDS["type"], 2)},
        "enum": lambda: {"enum": chance.sample(SCALARS[:5] + SCALARS[7:], chance.choice((1, 2, 3)))},
        "const": lambda: {"const": chance.choice(SCALARS)},
        "required": lambda: {"required": chance.sample(NAMES, chance.choice((1, 2)))},
        "properties": lambda: {"properties": {name: schema() for name in chance.sample(NAMES, 2)}},
        "patternProperties": lambda: {"patternProperties": {chance.choice(PATTERNS): schema()}},
        "prefixItems": lambda: {"prefixItems": [schema() for _ in range(chance.choice((1, 2)))]},
        "contains": lambda: {"contains": schema(), **chance.choice(_COUNTS)},
        "if": lambda: {"if": schema(), "then": schema(), "else": schema()},
        "dependentRequired": lambda: {"dependentRequired": {chance.choice(NAMES): chance.sample(NAMES, 1)}},
        "dependentSchemas": lambda: {"dependentSchemas": {chance.choice(NAMES): schema()}},
        "$ref": lambda: {"$ref": f"#/$defs/{chance.choice(NAMES)}"},
    }
    return made[keyword]() if keyword in made else {keyword: schema()}


def changed_schema(chance: random.Random, schema: Any, depth: int) -> Any:
    """The schema with a keyword dropped, added or changed somewhere."""
    if not isinstance(schema, dict) or not schema or chance.random() < 0.15:
        return random_schema(chance, depth)
    keyword = chance.choice(sorted(schema))
    value = schema[keyword]
    rest = {name: said for name, said in schema.items() if name != keyword}
    if keyword == "$defs" or chance.random() < 0.6:
        if isinstance(value, dict) and keyword in ("properties", "patternProperties", "dependentSchemas", "$defs"):
            name = chance.choice(sorted(value))
            return rest | {keyword: value | {name: changed_schema(chance, value[name], depth - 1)}}
        if isinstance(value, list) and keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            index = chance.randrange(len(value))
            changed = [*value[:index], changed_schema(chance, value[index], depth - 1), *value[index + 1 :]]
            return rest | {keyword: chance.choice((changed, changed, [*value, random_schema(chance, 0)]))}
        if isinstance(value, dict) and keyword in ("items", "additionalProperties", "contains", "not", "if", "then"):
            return rest | {keyword: changed_schema(chance, value, depth - 1)}
    if chance.random() < 0.6:
        return rest
    return rest | _random_keyword(chance, chance.choice((*BOUNDS, "types", "enum", "required")), 0)


def random_document(chance: random.Random) -> dict[str, Any]:
    root = random_schema(chance, 3)
    definitions = {name: random_schema(chance, 2) for name in NAMES}
    return {**(root if isinstance(root, dict) else {"allOf": [root]}), "$defs": definitions}


def random_value(chance: random.Random, depth: int) -> Any:
    kind = chance.random() if depth else 0.0
    if kind < 0.4:
        return chance.choice(SCALARS)
    if kind < 0.6:
        return [random_value(chance, depth - 1) for _ in range(chance.choice((0, 1, 2, 3)))]
    return {name: random_value(chance, depth - 1) for name in NAMES if chance.random() < 0.6}
