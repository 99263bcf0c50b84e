"""What of a secret or a public key is the key that signatures are made or checked with."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from infra.proofs.errors import ProofError
from schemas.presets import SigningKey

_PUBLIC_KEY_BYTES = 32


def decode_key(text: bytes, key: SigningKey) -> bytes:
    """The bytes of the key. Raises ProofError naming the field."""
    rest = text.removeprefix(key.strip_prefix.encode())
    try:
        if key.encoding == "base64":
            return from_base64(rest.decode("ascii"))
        if key.encoding == "hex":
            return bytes.fromhex(rest.decode("ascii"))
    except (binascii.Error, ValueError) as error:
        raise ProofError(f"{key.field} is not {key.encoding}") from error
    return hashlib.sha256(rest).digest() if key.encoding == "sha256" else rest


def public_key(text: str, key: SigningKey) -> Ed25519PublicKey:
    """An Ed25519 key. Raises ProofError naming the field."""
    raw = decode_key(text.encode(), key)
    if len(raw) != _PUBLIC_KEY_BYTES:
        raise ProofError(f"{key.field} must be {_PUBLIC_KEY_BYTES} bytes in {key.encoding}, but is {len(raw)}")
    return Ed25519PublicKey.from_public_bytes(raw)


def prepare_digest(secret: bytes, algorithm: str) -> Callable[[bytes], bytes]:
    """HMAC (RFC 2104) under one secret, with both keyed blocks hashed once: half the time of `hmac.digest`."""
    block_bytes = hashlib.new(algorithm).block_size
    key = hashlib.new(algorithm, secret).digest() if len(secret) > block_bytes else secret
    key = key.ljust(block_bytes, b"\0")
    inner = hashlib.new(algorithm, bytes(byte ^ 0x36 for byte in key))
    outer = hashlib.new(algorithm, bytes(byte ^ 0x5C for byte in key))

    def digest(payload: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(payload)
        second.update(first.digest())
        return second.digest()

    return digest


class Encoding(NamedTuple):
    """How signatures are written. `normalise` gives equal text for equal signatures; `decode` raises ValueError."""

    encode: Callable[[bytes], str]
    normalise: Callable[[str], str]
    decode: Callable[[str], bytes]


def _without_padding(text: str) -> str:
    return text.rstrip("=")


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode().rstrip("=")


def _base64url(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def from_base64(text: str) -> bytes:
    """The bytes, with padding, without it, or with some of it. Raises ValueError."""
    digits = text.rstrip("=")
    return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)


def _from_base64url(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)


ENCODINGS = {
    "hex": Encoding(bytes.hex, str.lower, bytes.fromhex),
    "base64": Encoding(_base64, _without_padding, from_base64),
    "base64url": Encoding(_base64url, _without_padding, _from_base64url),
}


def verifies(key: Ed25519PublicKey, signature: bytes, payload: bytes) -> bool:
    """Whether the signature is the key's, over the payload."""
    try:
        key.verify(signature, payload)
    except InvalidSignature:
        return False
    return True
