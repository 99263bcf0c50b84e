"""Signatures in a header, over the exact bytes of a request: one rule, whatever scheme it was written down in."""

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from infra.proofs.errors import ProofError
from infra.proofs.keys import ENCODINGS, Encoding, decode_key, prepare_digest, public_key, verifies
from infra.proofs.payloads import (
    READ_TIME,
    Payload,
    ReadTime,
    TextOf,
    compile_payload,
    element_text,
    header_text,
    read_seconds_or_milliseconds,
)
from infra.proofs.requests import BAD_SIGNATURE, BAD_TIMESTAMP, NO_PROOF, Secret, SignedRequest, Verify
from infra.requests.query import parse_query
from schemas.bodies import is_form
from schemas.presets import BodyDigest, SignatureProof, SignedTimestamp, SigningKey
from schemas.webhooks import HmacAuth, StandardWebhooksAuth

SIGNATURES_MAX = 10
#: Checking one of these costs a hundred times an HMAC.
PUBLIC_KEY_SIGNATURES_MAX = 3
ID_HEADERS = ("webhook-id", "svix-id", "x-webhook-id")
_SEPARATORS = re.compile(r"[,\s]+")
_US = 1_000_000

#: Whether one of the offered signatures is good for the payload. Looks at all of them.
Matches = Callable[[bytes, Sequence[str]], bool]
Offered = Callable[[str], list[str]]


class TimedKey(NamedTuple):
    """After `valid_until_us` (None: no end) the key proves nothing."""

    matches: Matches
    valid_until_us: int | None


class ClaimedTime(NamedTuple):
    """Where the sender says when it signed, how it is written, and how far it may be off."""

    text: TextOf
    read: ReadTime
    tolerance_us: int


class SignatureRule(NamedTuple):
    """A scheme of signatures. `offered` takes what may be signatures out of the text of `header` (lower-case).

    `event_id` is the id that the payload covers and that has to be there. `body_digest`: see `schemas.presets`.
    """

    header: str
    offered: Offered
    payload: Payload
    keys: Sequence[TimedKey]
    time: ClaimedTime | None = None
    event_id: TextOf | None = None
    body_digest: BodyDigest | None = None


def build_verifier_of(rule: SignatureRule) -> Verify:
    """Whatever is missing or wrong, every key is tried over the whole payload: a refusal tells nothing by its time."""
    header, offered_in, payload_of, keys, time, event_id, body_digest = rule

    def verify(request: SignedRequest, now_us: int) -> str | None:
        payload = payload_of(request)
        given = request.headers.get(header)
        offered = offered_in(given) if given else [""]
        matched = False
        for matches, valid_until_us in keys:
            alive = valid_until_us is None or now_us < valid_until_us
            if matches(payload, offered) and alive:
                matched = True
        if body_digest is not None and not _has_digest(request, body_digest):
            matched = False
        if event_id is not None and not event_id(request):
            return NO_PROOF
        if not matched:
            return BAD_SIGNATURE if given else NO_PROOF
        if time is not None:
            at_us = time.read(time.text(request))
            if at_us is None or abs(now_us - at_us) > time.tolerance_us:
                return BAD_TIMESTAMP
        return None

    return verify


def rule_of_hmac(auth: HmacAuth, secrets: Sequence[Secret]) -> SignatureRule:
    """auth_type hmac_sha256."""
    encoding = ENCODINGS[auth.encoding]
    timestamp_header = auth.timestamp_header.lower() if auth.timestamp_header else None
    timestamp = header_text(timestamp_header or "webhook-timestamp")
    time = ClaimedTime(timestamp, read_seconds_or_milliseconds, auth.tolerance_seconds * _US)
    return SignatureRule(
        auth.signature_header.lower(),
        _lenient_offers(auth.prefix, f"{auth.algorithm}=", encoding),
        compile_payload(auth.signed_payload, timestamp=timestamp, event_id=header_text(*ID_HEADERS)),
        [TimedKey(_hmac(secret.value, auth.algorithm, encoding), secret.valid_until_us) for secret in secrets],
        time if timestamp_header else None,
    )


def standard_webhooks_proof(auth: StandardWebhooksAuth) -> SignatureProof:
    """auth_type standard_webhooks as a preset would say it."""
    key: dict[str, Any] = (
        {"prefix": "v1,", "algorithm": "hmac_sha256", "key": SigningKey(strip_prefix="whsec_", encoding="base64")}
        if auth.public_key is None
        else {
            "prefix": "v1a,",
            "algorithm": "ed25519",
            "key": SigningKey(field="public_key", strip_prefix="whpk_", encoding="base64"),
        }
    )
    return SignatureProof(
        kind="signature",
        header="webhook-signature",
        encoding="base64",
        separator=" ",
        signed="{id}.{timestamp}.{body}",
        timestamp=SignedTimestamp(header="webhook-timestamp", tolerance_seconds=auth.tolerance_seconds),
        id_header="webhook-id",
        **key,
    )


def rule_of_proof(proof: SignatureProof, public_fields: dict[str, str], secrets: Sequence[Secret]) -> SignatureRule:
    """A preset's signature; `public_fields` are its fields but the secret. Raises ProofError."""
    encoding, header = ENCODINGS[proof.encoding], proof.header.lower()
    timestamp = _timestamp_text(proof, header)
    event_id = header_text(*((proof.id_header.lower(),) if proof.id_header else ID_HEADERS))
    time = proof.timestamp
    return SignatureRule(
        header,
        _strict_offers(proof, encoding),
        compile_payload(proof.signed, timestamp=timestamp, event_id=event_id),
        _keys(proof, public_fields, secrets, encoding),
        None if time is None else ClaimedTime(timestamp, READ_TIME[time.unit], time.tolerance_seconds * _US),
        event_id if proof.id_header else None,
        proof.body_digest,
    )


def _timestamp_text(proof: SignatureProof, header: str) -> TextOf:
    time = proof.timestamp
    if time is None:
        return header_text("webhook-timestamp")
    if time.header is not None:
        return header_text(time.header.lower())
    return element_text(header, time.element or "", proof.separator or ",")


def _keys(
    proof: SignatureProof, public_fields: dict[str, str], secrets: Sequence[Secret], encoding: Encoding
) -> list[TimedKey]:
    if proof.algorithm == "ed25519":
        text = public_fields.get(proof.key.field)
        if text is None:
            raise ProofError(f"{proof.key.field} is missing")
        return [TimedKey(_ed25519(text, proof.key, encoding), None)]
    algorithm = proof.algorithm.removeprefix("hmac_")
    return [
        TimedKey(_hmac(decode_key(secret.value, proof.key), algorithm, encoding), secret.valid_until_us)
        for secret in secrets
    ]


def _hmac(key: bytes, algorithm: str, encoding: Encoding) -> Matches:
    digest, encode = prepare_digest(key, algorithm), encoding.encode

    def matches(payload: bytes, offered: Sequence[str]) -> bool:
        expected = encode(digest(payload))
        matched = False
        for signature in offered:
            if signature.isascii() and hmac.compare_digest(expected, signature):
                matched = True
        return matched

    return matches


def _ed25519(text: str, key: SigningKey, encoding: Encoding) -> Matches:
    public, decode = public_key(text, key), encoding.decode

    def matches(payload: bytes, offered: Sequence[str]) -> bool:
        matched = False
        for signature in offered[:PUBLIC_KEY_SIGNATURES_MAX]:
            try:
                raw = decode(signature)
            except ValueError:
                raw = b""
            if verifies(public, raw, payload):
                matched = True
        return matched

    return matches


def _lenient_offers(prefix: str | None, default_prefix: str, encoding: Encoding) -> Offered:
    """The whole text, and its parts; without a configured prefix the algorithm's name may stand before a signature."""
    normalise = encoding.normalise

    def offered(text: str) -> list[str]:
        several = "," in text or " " in text
        parts = [text, *_SEPARATORS.split(text, SIGNATURES_MAX)[:SIGNATURES_MAX]] if several else [text]
        if prefix:
            return [normalise(part[len(prefix) :]) for part in parts if part.startswith(prefix)]
        return [normalise(part).removeprefix(default_prefix) for part in parts]

    return offered


def _strict_offers(proof: SignatureProof, encoding: Encoding) -> Offered:
    """What the preset says and nothing else."""
    normalise, prefix, separator = encoding.normalise, proof.prefix, proof.separator

    def offered(text: str) -> list[str]:
        parts = [text] if separator is None else [part.strip(" ") for part in text.split(separator)]
        signatures = [part[len(prefix) :] for part in parts if part.startswith(prefix)]
        return [normalise(signature) for signature in signatures[:SIGNATURES_MAX]]

    return offered


def _has_digest(request: SignedRequest, wanted: BodyDigest) -> bool:
    """Whether the digest in the query is the body's; a form, which is signed itself, may come without."""
    given = parse_query(request.query).get(wanted.query)
    if given is None:
        return is_form(request.headers.get("content-type"))
    encoding = ENCODINGS[wanted.encoding]
    expected = encoding.encode(hashlib.new(wanted.algorithm, request.body).digest())
    return given.isascii() and hmac.compare_digest(expected, encoding.normalise(given))
