"""The wall clock, read at the edge only; core functions take the time as an argument."""

import time
from datetime import UTC, datetime

MICROSECONDS = 1_000_000
HOUR_US = 3_600 * MICROSECONDS


def now_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1_000


def rfc3339(at_us: int) -> str:
    """RFC 3339 in UTC with milliseconds, as the public API shows times."""
    seconds, microseconds = divmod(at_us, MICROSECONDS)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{microseconds // 1_000:03d}Z"


def rfc3339_of(moment: datetime) -> str:
    """The same of a time with a zone, such as Postgres gives."""
    moment = moment.astimezone(UTC)
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}.{moment.microsecond // 1_000:03d}Z"
