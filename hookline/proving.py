"""What proves a request to a webhook: the sender's side of every scheme that a secret is enough for."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode

from hookline.errors import UsageError
from infra.clock import now_us
from infra.ids import uuid7_text
from infra.proofs.keys import decode_key
from infra.proofs.payloads import compile_payload
from infra.proofs.requests import SignedRequest
from infra.proofs.verify import Presets, fields_of, proof_of
from infra.webhooks import Webhook
from schemas.presets import BodyDigest, SignatureProof, SignedTimestamp, TokenProof
from schemas.webhooks import ApiKeyAuth, AuthConfig, BasicAuth, BearerAuth, HmacAuth, PathTokenAuth

CONTENT_TYPE = "application/json"
_ENCODINGS: Mapping[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda digest: base64.b64encode(digest).decode(),
    "base64url": lambda digest: base64.urlsafe_b64encode(digest).decode(),
}


class Occasion(NamedTuple):
    """When a request goes where, as the receiver sees it, and the id of its event for schemes that sign one."""

    base_url: str
    path: str
    at_seconds: int
    event_id: str

    @classmethod
    def now(cls, base_url: str, path: str) -> "Occasion":
        """A new event."""
        at_us = now_us()
        return cls(base_url, path, at_us // 1_000_000, f"msg_{uuid7_text(at_us)}")


class Proof(NamedTuple):
    """Headers to send beside Content-Type, and the raw query without its question mark; empty: there is none."""

    headers: dict[str, str]
    query: str = ""


class _Signing(NamedTuple):
    """A scheme of signatures with its key. `time` and `id_header`: what is sent beside the signature."""

    header: str
    algorithm: str
    encoding: str
    prefix: str
    signed: str
    key: bytes
    time: SignedTimestamp | None = None
    separator: str = ","
    id_header: str | None = None
    body_digest: BodyDigest | None = None


def prove(webhook: Webhook, body: bytes, occasion: Occasion, presets: Presets) -> Proof:
    """The proof of a POST of `body` as JSON. Nothing is added for schemes that look at the address or into the body.

    Raises UsageError where only the sender itself can sign, ProofError for a secret that is no key, UnknownPresetError.
    """
    auth = webhook.config.auth_config
    secret = webhook.secrets[0].value if webhook.secrets else b""
    if isinstance(auth, HmacAuth):
        return _signed(_signing_of_hmac(auth, secret), body, occasion)
    proof = proof_of(auth, presets)
    if proof is None:
        return _shown(*_place_of(auth), secret)
    if isinstance(proof, TokenProof):
        name = proof.name if proof.name_field is None else fields_of(auth, presets).get(proof.name_field)
        return _shown(proof.place, name or "", secret, proof.prefix)
    if proof.algorithm == "ed25519":
        raise UsageError(f"webhook {webhook.slug} knows the sender's public key only: nobody else can sign for it")
    return _signed(_signing_of_proof(proof, secret), body, occasion)


def _signing_of_hmac(auth: HmacAuth, secret: bytes) -> _Signing:
    time = auth.timestamp_header or ("webhook-timestamp" if "{timestamp}" in auth.signed_payload else None)
    return _Signing(
        auth.signature_header,
        auth.algorithm,
        auth.encoding,
        auth.prefix or "",
        auth.signed_payload,
        secret,
        None if time is None else SignedTimestamp(header=time),
        id_header="webhook-id" if "{id}" in auth.signed_payload else None,
    )


def _signing_of_proof(proof: SignatureProof, secret: bytes) -> _Signing:
    return _Signing(
        proof.header,
        proof.algorithm.removeprefix("hmac_"),
        proof.encoding,
        proof.prefix,
        proof.signed,
        decode_key(secret, proof.key),
        proof.timestamp,
        proof.separator or ",",
        proof.id_header,
        proof.body_digest,
    )


def _signed(signing: _Signing, body: bytes, occasion: Occasion) -> Proof:
    headers, at = dict[str, str](), ""
    if signing.time is not None:
        at = _written(signing.time, occasion.at_seconds)
        if signing.time.header is not None:
            headers[signing.time.header] = at
    if signing.id_header is not None:
        headers[signing.id_header] = occasion.event_id
    query = _query_of(signing.body_digest, body)
    lower = {name.lower(): value for name, value in {"Content-Type": CONTENT_TYPE, **headers}.items()}
    request = SignedRequest("POST", occasion.path, query, lower, body, "", occasion.base_url)
    payload_of = compile_payload(signing.signed, timestamp=lambda _: at, event_id=lambda _: occasion.event_id)
    digest = hmac.digest(signing.key, payload_of(request), signing.algorithm)
    signature = signing.prefix + _ENCODINGS[signing.encoding](digest)
    if signing.time is not None and signing.time.element is not None:
        signature = f"{signing.time.element}={at}{signing.separator}{signature}"
    return Proof({**headers, signing.header: signature}, query)


def _query_of(wanted: BodyDigest | None, body: bytes) -> str:
    if wanted is None:
        return ""
    return urlencode({wanted.query: _ENCODINGS[wanted.encoding](hashlib.new(wanted.algorithm, body).digest())})


def _written(time: SignedTimestamp, at_seconds: int) -> str:
    if time.unit == "rfc3339":
        return datetime.fromtimestamp(at_seconds, UTC).isoformat()
    return str(at_seconds * 1_000 if time.unit == "milliseconds" else at_seconds)


def _place_of(auth: AuthConfig) -> tuple[str, str]:
    """Where a token stands, and the name it goes by there."""
    if isinstance(auth, BearerAuth):
        return "bearer", ""
    if isinstance(auth, BasicAuth):
        return "basic", auth.username
    if isinstance(auth, ApiKeyAuth):
        return "header", auth.header
    if isinstance(auth, PathTokenAuth):
        return "query", auth.query_param
    return "nowhere", ""


def _shown(place: str, name: str, secret: bytes, prefix: str = "") -> Proof:
    headers: dict[str, str] = {}
    text = secret.decode("latin-1")  # so that the same bytes go over the wire
    if place == "bearer":
        headers["Authorization"] = f"Bearer {text}"
    elif place == "basic":
        headers["Authorization"] = "Basic " + base64.b64encode(name.encode() + b":" + secret).decode()
    elif place == "header":
        headers[name] = prefix + text
    return Proof(headers, urlencode({name: secret}) if place == "query" else "")
