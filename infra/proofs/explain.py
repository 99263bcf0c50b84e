"""Why a request is refused, in words, for the people the webhook belongs to; never for its sender.

Hints are found by trying: the same proof over a body that was changed on the way, another encoding, an older secret.
What is said names headers, times and lengths; no secret, and no signature that would have been right.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from infra.addresses import parse_address
from infra.proofs.errors import ProofError
from infra.proofs.payloads import READ_TIME, ReadTime, element_text, header_text, read_seconds_or_milliseconds
from infra.proofs.requests import (
    BAD_ADDRESS,
    BAD_SIGNATURE,
    BAD_TIMESTAMP,
    BAD_TOKEN,
    NO_PROOF,
    Secret,
    SignedRequest,
    Verify,
)
from infra.proofs.signatures import build_verifier_of, rule_of_proof
from infra.proofs.verify import Presets, build_verifier, fields_of, proof_of
from schemas.presets import SignatureProof, SignedTimestamp, SigningKey, TokenProof
from schemas.webhooks import (
    ApiKeyAuth,
    AuthConfig,
    BasicAuth,
    BearerAuth,
    HmacAuth,
    IpAllowlistAuth,
    NoAuth,
    PathTokenAuth,
)

_US = 1_000_000
_REWRITTEN_BODY_BYTES_MAX = 1_048_576
_ENCODINGS = ("hex", "base64", "base64url")
_ALGORITHMS = ("sha1", "sha256", "sha512")


class Explanation(NamedTuple):
    """`reason` is that of the rejection, None where the request is good; `hints` say what may be behind it."""

    reason: str | None
    words: str
    hints: tuple[str, ...] = ()


def explain(
    auth: AuthConfig, secrets: Sequence[Secret], request: SignedRequest, now_us: int, presets: Presets
) -> Explanation:
    """What the receiver would decide at `now_us`, and why. Raises ProofError for a scheme that cannot be used."""
    reason = build_verifier(auth, secrets, presets)(request, now_us)
    place = _place_of(auth, presets)
    if reason is None:
        return Explanation(None, f"The request is proven: {place.words} is right.")
    if reason == BAD_ADDRESS:
        return Explanation(reason, *_of_address(auth, request))
    if reason == NO_PROOF:
        return Explanation(reason, f"The request has no proof: {place.words} is missing.", _similar(place, request))
    if reason == BAD_TIMESTAMP:
        return Explanation(reason, *_of_time(auth, request, now_us, presets))
    words = "signature" if reason == BAD_SIGNATURE else "secret"
    tried = _Trial(auth, secrets, request, now_us, presets)
    return Explanation(reason, f"The {words} in {place.words} is not right.", tuple(dict.fromkeys(tried.hints())))


class _Place(NamedTuple):
    """Where a proof stands. `header` is lower-case; None: not in a header."""

    words: str
    header: str | None


def _place_of(auth: AuthConfig, presets: Presets) -> _Place:
    if isinstance(auth, HmacAuth):
        return _header(auth.signature_header)
    if isinstance(auth, BearerAuth | BasicAuth):
        return _Place(f"the header authorization ({auth.type})", "authorization")
    if isinstance(auth, ApiKeyAuth):
        return _header(auth.header)
    if isinstance(auth, PathTokenAuth):
        return _Place(f"the query parameter {auth.query_param}", None)
    if isinstance(auth, IpAllowlistAuth | NoAuth):
        return _Place("the sender's address", None)
    proof = proof_of(auth, presets)
    if isinstance(proof, TokenProof):
        return _place_of_token(
            proof, proof.name if proof.name_field is None else fields_of(auth, presets)[proof.name_field]
        )
    assert isinstance(proof, SignatureProof)  # noqa: S101  # every other scheme is above
    if proof.id_header is not None:
        return _Place(f"the header {proof.header.lower()} (with {proof.id_header.lower()})", proof.header.lower())
    return _header(proof.header)


def _place_of_token(proof: TokenProof, name: str | None) -> _Place:
    if proof.place == "header":
        return _header(name or "")
    if proof.place in ("bearer", "basic"):
        return _Place(f"the header authorization ({proof.place})", "authorization")
    return _Place(f"the {'query parameter' if proof.place == 'query' else 'body, at'} {name}", None)


def _header(name: str) -> _Place:
    return _Place(f"the header {name.lower()}", name.lower())


def _similar(place: _Place, request: SignedRequest) -> tuple[str, ...]:
    """Headers that the proof may have been meant to be in."""
    if place.header is None:
        return ("The query parameter has to be in the URL that the sender calls.",) if "query" in place.words else ()
    if place.header == "authorization" and "authorization" in request.headers:
        scheme = request.headers["authorization"].partition(" ")[0].lower()
        known = scheme if scheme in ("basic", "bearer", "digest", "negotiate") else "unknown"
        return (f"There is a header authorization, but of another scheme ({known}).",)
    others = [name for name in request.headers if name != place.header]
    close = get_close_matches(place.header, others, n=3, cutoff=0.6)
    proofs = [name for name in others if any(mark in name for mark in ("signature", "hmac", "token", "hub-"))]
    named = list(dict.fromkeys([*close, *proofs]))[:5]
    return tuple(f"The request has a header {name}: is it the one?" for name in named)


def _of_address(auth: AuthConfig, request: SignedRequest) -> tuple[str, tuple[str, ...]]:
    networks = ", ".join(auth.ip_cidrs)
    words = f"The request came from {request.source_ip}, which is in none of {networks}."
    address = parse_address(request.source_ip)
    if address is not None and address.is_private:
        return words, ("The address is a private one: a proxy may stand before the receiver (trusted_proxies).",)
    return words, ()


def _of_time(auth: AuthConfig, request: SignedRequest, now_us: int, presets: Presets) -> tuple[str, tuple[str, ...]]:
    """Why a signature that is right was not taken: its time."""
    if isinstance(auth, HmacAuth):
        name, tolerance = auth.timestamp_header or "", auth.tolerance_seconds
        read: ReadTime = read_seconds_or_milliseconds
        text = header_text(name.lower())(request)
    else:
        proof = proof_of(auth, presets)
        assert isinstance(proof, SignatureProof)  # noqa: S101  # nothing else has a time
        time = proof.timestamp or SignedTimestamp(header=proof.header)
        name = time.header or f"{time.element}= in {proof.header}"
        text = _claimed(proof, time, request)
        read, tolerance = READ_TIME[time.unit], time.tolerance_seconds
    at_us = read(text)
    if at_us is None:
        return f"The signature is right, but the timestamp ({name}) is missing or no time.", ()
    seconds = round(abs(now_us - at_us) / _US)
    side = "old" if at_us < now_us else "ahead of our clock"
    words = f"The signature is right, but its timestamp ({name}) is {seconds} s {side}; {tolerance} s are allowed."
    if seconds > 20 * 365 * 86_400:
        return words, ("The timestamp may be in another unit: seconds and milliseconds differ by a thousand.",)
    hint = "The request may have been sent again later, or waited in a queue, or a clock is wrong."
    return words, (hint,)


def _claimed(proof: SignatureProof, time: SignedTimestamp, request: SignedRequest) -> str:
    if time.header is not None:
        return header_text(time.header.lower())(request)
    return element_text(proof.header.lower(), time.element or "", proof.separator or ",")(request)


class _Trial:
    """Tries what could make a wrong proof right."""

    def __init__(
        self, auth: AuthConfig, secrets: Sequence[Secret], request: SignedRequest, now_us: int, presets: Presets
    ) -> None:
        self._auth = auth
        self._secrets = secrets
        self._request = request
        self._now_us = now_us
        self._presets = presets

    def hints(self) -> Iterator[str]:
        """In the order of how likely they are."""
        yield from self._of_secrets()
        yield from self._of_bodies()
        proof = proof_of(self._auth, self._presets)
        if isinstance(self._auth, HmacAuth):
            yield from self._of_spellings(self._auth)
            yield from self._of_prefix(self._auth.signature_header, self._auth.prefix or "")
        elif isinstance(proof, SignatureProof):
            yield from self._of_proof(proof)
            yield from self._of_prefix(proof.header, proof.prefix)
        if self._request.base_url and self._is_good(request=self._request._replace(base_url=self._other_scheme())):
            yield "The signature fits another scheme (http or https): set HOOKLINE_INGRESS__PUBLIC_BASE_URL."

    def _of_secrets(self) -> Iterator[str]:
        ended = [Secret(secret.value, None) for secret in self._secrets if secret.valid_until_us is not None]
        if ended and self._is_good(secrets=ended):
            yield "It was made with the previous secret, which is no longer good: the sender has to get the new one."
        for end in (b"\n", b"\r\n", b" "):
            if self._is_good(secrets=[Secret(secret.value.strip() + end, None) for secret in self._secrets]):
                yield "The sender has a blank or a line break at the end of the secret."
        blank = [secret for secret in self._secrets if secret.value != secret.value.strip()]
        if blank and self._is_good(secrets=[Secret(secret.value.strip(), None) for secret in blank]):
            yield "The secret that is saved here has a blank or a line break at its ends; the sender's has none."

    def _of_bodies(self) -> Iterator[str]:
        for words, body in rewritten(self._request.body):
            if body != self._request.body and self._is_good(request=self._request._replace(body=body)):
                yield f"The signature fits {words}: the body is changed after it is signed, or on the way."

    def _of_spellings(self, auth: HmacAuth) -> Iterator[str]:
        for encoding in _ENCODINGS:
            if encoding != auth.encoding and self._is_good(auth=auth.model_copy(update={"encoding": encoding})):
                yield f"The signature is right in {encoding}; the webhook says {auth.encoding}."
        for algorithm in _ALGORITHMS:
            if algorithm != auth.algorithm and self._is_good(auth=auth.model_copy(update={"algorithm": algorithm})):
                yield f"The signature is right with {algorithm}; the webhook says {auth.algorithm}."
        if auth.signed_payload != "{body}" and self._is_good(auth=auth.model_copy(update={"signed_payload": "{body}"})):
            yield "The sender signs the body alone; the webhook says signed_payload " + auth.signed_payload + "."

    def _of_proof(self, proof: SignatureProof) -> Iterator[str]:
        """A preset's signature, or that of Standard Webhooks, as the scheme does not have it."""
        for encoding in _ENCODINGS:
            if encoding != proof.encoding and self._fits(proof.model_copy(update={"encoding": encoding})):
                yield f"The signature is right in {encoding}; this scheme has {proof.encoding}."
        if proof.algorithm == "ed25519":
            return
        for name in _ALGORITHMS:
            algorithm = f"hmac_{name}"
            if algorithm != proof.algorithm and self._fits(proof.model_copy(update={"algorithm": algorithm})):
                yield f"The signature is right with {name}; this scheme has {proof.algorithm.removeprefix('hmac_')}."
        text_key = proof.model_copy(update={"key": SigningKey(field=proof.key.field)})
        if proof.key.encoding != "text" and self._fits(text_key):
            yield f"The sender signs with the secret as it is written; this scheme has it as {proof.key.encoding}."
        if proof.signed != "{body}" and self._fits(proof.model_copy(update={"signed": "{body}"})):
            yield f"The sender signs the body alone; this scheme has {proof.signed}."

    def _of_prefix(self, header: str, prefix: str) -> Iterator[str]:
        """The signature alone, and what follows another prefix."""
        text = self._request.headers.get(header.lower(), "")
        other = f"behind another prefix than {prefix}" if prefix else "behind a prefix that does not belong there"
        without = f"without the prefix {prefix}, which has to stand before it"
        for signature, words in (
            (text, without),
            (text.partition("=")[2], other),
            (text.partition(",")[2], other),
        ):
            headers = {**self._request.headers, header.lower(): prefix + signature}
            if prefix + signature != text and self._is_good(request=self._request._replace(headers=headers)):
                yield f"The signature is right {words}."

    def _fits(self, proof: SignatureProof) -> bool:
        fields = fields_of(self._auth, self._presets)
        return self._is_met(lambda: build_verifier_of(rule_of_proof(proof, fields, self._secrets)), self._request)

    def _other_scheme(self) -> str:
        scheme, mark, rest = self._request.base_url.partition("://")
        return ("http" if scheme == "https" else "https") + mark + rest

    def _is_good(
        self,
        *,
        auth: AuthConfig | None = None,
        secrets: Sequence[Secret] | None = None,
        request: SignedRequest | None = None,
    ) -> bool:
        tried, presets = self._secrets if secrets is None else secrets, self._presets
        return self._is_met(lambda: build_verifier(auth or self._auth, tried, presets), request or self._request)

    def _is_met(self, build: Callable[[], Verify], request: SignedRequest) -> bool:
        """Any other refusal, such as one for the time, comes after the proof was right."""
        try:
            verify = build()
        except ProofError:  # what is tried need not be a key
            return False
        return verify(request, self._now_us) not in (BAD_SIGNATURE, BAD_TOKEN, NO_PROOF)


def rewritten(body: bytes) -> Iterator[tuple[str, bytes]]:
    """What often becomes of a body between signing and sending, each with its name."""
    yield "the body without the blanks at its ends", body.strip()
    yield "the body with a line break at its end", body + b"\n"
    yield "the body with LF for CRLF", body.replace(b"\r\n", b"\n")
    yield "the body with CRLF for LF", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    yield "an empty body", b""
    if len(body) > _REWRITTEN_BODY_BYTES_MAX:
        return
    try:
        value = json.loads(body)
        yield "the same JSON without blanks", json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        yield "the same JSON, escaped, without blanks", json.dumps(value, separators=(",", ":")).encode()
        yield "the same JSON with blanks", json.dumps(value).encode()
        yield "the same JSON, indented", json.dumps(value, indent=2, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return
