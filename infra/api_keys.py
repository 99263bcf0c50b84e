"""API keys: how they are made, what is stored of them, what is shown."""

import secrets
from hashlib import sha256

_PREFIX = "ixk_"
_RANDOM_BYTES = 32
_SHOWN_CHARACTERS = 8


def new_api_key() -> str:
    """`ixk_` and 256 random bits. Not to be logged or stored."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def hash_api_key(key: str) -> bytes:
    """What is stored: for 256 random bits one round of SHA-256 is enough."""
    return sha256(key.encode()).digest()


def shown_part(key: str) -> str:
    """What is stored to tell keys apart."""
    return key[:_SHOWN_CHARACTERS]
