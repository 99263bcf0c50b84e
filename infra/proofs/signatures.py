"""Signatures in a header (auth_type hmac_sha256), over the exact bytes of a request."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence

from infra.proofs.requests import BAD_SIGNATURE, BAD_TIMESTAMP, NO_PROOF, Secret, SignedRequest, Verify
from schemas.webhooks import PLACEHOLDER_PATTERN, HmacAuth

SIGNATURES_MAX = 10
ID_HEADERS = ("webhook-id", "svix-id", "x-webhook-id")
_MILLISECONDS_FROM = 100_000_000_000
_SEPARATORS = re.compile(r"[,\s]+")
_PLACEHOLDER = re.compile(PLACEHOLDER_PATTERN)
_TIMESTAMP = re.compile(r"[0-9]{1,15}")

Payload = Callable[[SignedRequest], bytes]


def build_hmac_sha256(auth: HmacAuth, secrets: Sequence[Secret]) -> Verify:
    """Verifier of a signature in a header. `now_us` decides which secrets and timestamps are still good."""
    header, algorithm = auth.signature_header.lower(), auth.algorithm
    timestamp_header = auth.timestamp_header.lower() if auth.timestamp_header else None
    payload_of = compile_payload(auth.signed_payload, timestamp_header)
    encode = _ENCODINGS[auth.encoding]
    normalise = str.lower if auth.encoding == "hex" else _without_padding
    default_prefix, prefix = f"{algorithm}=", auth.prefix
    tolerance_us = auth.tolerance_seconds * 1_000_000

    prepared = [(_prepare_digest(secret.value, algorithm), secret.valid_until_us) for secret in secrets]

    def candidates(text: str) -> list[str]:
        """What may be a signature in the header: the whole text, and its parts."""
        several = "," in text or " " in text
        parts = [text, *_SEPARATORS.split(text, SIGNATURES_MAX)[:SIGNATURES_MAX]] if several else [text]
        if prefix:
            return [normalise(part[len(prefix) :]) for part in parts if part.startswith(prefix)]
        return [normalise(part).removeprefix(default_prefix) for part in parts]

    def verify(request: SignedRequest, now_us: int) -> str | None:
        payload = payload_of(request)
        given = request.headers.get(header)
        offered = candidates(given) if given else [""]
        matched = False
        for digest, valid_until_us in prepared:
            expected = encode(digest(payload))
            alive = valid_until_us is None or now_us < valid_until_us
            for signature in offered:
                if signature.isascii() and hmac.compare_digest(expected, signature) and alive:
                    matched = True
        if not matched:
            return BAD_SIGNATURE if given else NO_PROOF
        if timestamp_header is not None and not _is_recent(request.headers.get(timestamp_header), now_us, tolerance_us):
            return BAD_TIMESTAMP
        return None

    return verify


def _prepare_digest(secret: bytes, algorithm: str) -> Callable[[bytes], bytes]:
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


def compile_payload(template: str, timestamp_header: str | None) -> Payload:
    """The bytes a signature covers. A header that is missing counts as empty text."""
    if template == "{body}":
        return lambda request: request.body
    parts = [_compile_part(text, timestamp_header) for text in re.split(r"(\{[^{}]*\})", template) if text]

    def payload(request: SignedRequest) -> bytes:
        return b"".join([part(request) for part in parts])

    return payload


def _compile_part(text: str, timestamp_header: str | None) -> Payload:
    match = _PLACEHOLDER.fullmatch(text)
    if match is None:
        literal = text.encode()
        return lambda _: literal
    name = match[1]
    if name == "body":
        return lambda request: request.body
    if name == "method":
        return lambda request: request.method.encode()
    if name == "path":
        return lambda request: request.path.encode("latin-1")
    if name == "id":
        return _header_payload(*ID_HEADERS)
    if name == "timestamp":
        return _header_payload(timestamp_header or "webhook-timestamp")
    return _header_payload(name.removeprefix("header:").lower())


def _header_payload(*names: str) -> Payload:
    def payload(request: SignedRequest) -> bytes:
        for name in names:
            value = request.headers.get(name)
            if value is not None:
                return value.encode("latin-1")
        return b""

    return payload


def _is_recent(text: str | None, now_us: int, tolerance_us: int) -> bool:
    """Whether a time in whole seconds (or milliseconds) is within the tolerance, in either direction."""
    if text is None or _TIMESTAMP.fullmatch(text) is None:
        return False
    number = int(text)
    at_us = number * 1_000 if number >= _MILLISECONDS_FROM else number * 1_000_000
    return abs(now_us - at_us) <= tolerance_us


def _without_padding(text: str) -> str:
    return text.rstrip("=")


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode().rstrip("=")


def _base64url(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


_ENCODINGS: Mapping[str, Callable[[bytes], str]] = {"hex": bytes.hex, "base64": _base64, "base64url": _base64url}
