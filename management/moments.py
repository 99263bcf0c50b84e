"""Times that callers write."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def _written(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    raise ValueError("this is not a time of RFC 3339 with a zone, such as 2026-01-31T12:00:00Z")


#: RFC 3339 and nothing else: a number is no time.
Moment = Annotated[AwareDatetime, BeforeValidator(_written)]
