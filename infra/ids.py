"""Identifiers: UUIDv7 for what we make (RFC 9562), UUIDv5 for what must come out the same again."""

import os
from uuid import UUID, uuid5

_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_POOL_DRAWS = 128
_COMMANDS = UUID("5f0f1d1e-6f1c-5c1b-9a51-7a1d2f0c4b11")


def uuid7_text(at_us: int) -> str:
    """A UUIDv7 whose time is `at_us` (microseconds since the epoch), as text; 74 random bits."""
    return format_uuid7(at_us, os.urandom(10).hex())


def format_uuid7(at_us: int, random_hex: str) -> str:
    """As `uuid7_text`, from random hexadecimal digits in lower case: 19 are used, two bits of the fourth are not."""
    time_hex = f"{at_us // 1_000:012x}"
    variant = _VARIANTS[random_hex[3]]
    return f"{time_hex[:8]}-{time_hex[8:]}-7{random_hex[:3]}-{variant}{random_hex[4:7]}-{random_hex[7:19]}"


class RandomDigits:
    """Random hexadecimal digits, drawn from the system for many calls at once. Not for secrets; one per process."""

    __slots__ = ("_at", "_digits", "_pool")

    def __init__(self, digits: int) -> None:
        self._digits = digits
        self._pool = ""
        self._at = 0

    def take(self) -> str:
        """As many digits as was asked for, in lower case, never given before."""
        at, end = self._at, self._at + self._digits
        if end > len(self._pool):
            self._pool = os.urandom(_POOL_DRAWS * self._digits // 2).hex()
            at, end = 0, self._digits
        self._at = end
        return self._pool[at:end]


def command_id(*parts: str) -> UUID:
    """UUIDv5 over length-prefixed `parts`: the same parts give the same id in every process and release."""
    return uuid5(_COMMANDS, "".join(f"{len(part)}:{part}" for part in parts))
