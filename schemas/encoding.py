"""Records as JSON bytes, for those who write without the models' cost."""

import json
from typing import Any

import orjson


def record_bytes(record: Any) -> bytes:
    """`record` (an object, or rows of them) as JSON in UTF-8. Integers beyond 64 bits keep their digits."""
    try:
        return orjson.dumps(record)
    except orjson.JSONEncodeError:  # an integer beyond 64 bits inside a json field
        return json.dumps(record, separators=(",", ":"), default=_as_orjson).encode()


def _as_orjson(value: Any) -> Any:
    """Ids and times as orjson writes them; what it refuses stays refused."""
    return orjson.loads(orjson.dumps(value))
