"""Whether a delivery's body has a value at a path. Pure."""

from typing import Any

import orjson

from infra.requests.paths import JsonPath, TooManyValuesError
from schemas.bodies import BodyError, parse_body


def written(value: str) -> tuple[str, str]:
    """The value as it is, and as it stands in JSON."""
    return value, orjson.dumps(value).decode()[1:-1]


def has_value(content: bytes, content_type: str | None, path: JsonPath, value: str) -> bool:
    """Whether the body has exactly the value there. Of one that cannot be read: whether it holds the value anywhere.

    A head that was left of a longer body is one that cannot be read.
    """
    try:
        found = path.values(parse_body(content, content_type))
    except (BodyError, TooManyValuesError):
        return any(text.encode() in content for text in written(value))
    return any(_as_text(one) == value for one in found)


def _as_text(found: Any) -> str | None:
    if isinstance(found, str):
        return found
    return orjson.dumps(found).decode() if isinstance(found, int | float) else None
