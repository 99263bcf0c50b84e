"""Identifiers: UUIDv7 for what we make (RFC 9562), UUIDv5 for what must come out the same again."""

import os
from uuid import UUID, uuid5

_COMMANDS = UUID("5f0f1d1e-6f1c-5c1b-9a51-7a1d2f0c4b11")


def uuid7_text(at_us: int) -> str:
    """A UUIDv7 whose time is `at_us` (microseconds since the epoch), as text; 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big")
    value = (
        ((at_us // 1_000) & 0xFFFFFFFFFFFF) << 80
        | 0x7 << 76
        | ((random >> 62) & 0xFFF) << 64
        | 0b10 << 62
        | (random & 0x3FFFFFFFFFFFFFFF)
    )
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def command_id(*parts: str) -> UUID:
    """UUIDv5 over length-prefixed `parts`: the same parts give the same id in every process and release."""
    return uuid5(_COMMANDS, "".join(f"{len(part)}:{part}" for part in parts))
