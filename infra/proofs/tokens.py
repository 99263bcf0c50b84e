"""Proofs that are a secret itself: a bearer token, a password, a key in a header, a token in the query.

What is offered is compared by its SHA-256, so that the time taken tells neither how much of it is right nor how long
the secret is; where nothing is offered the same is done with nothing.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from infra.proofs.errors import ProofError
from infra.proofs.keys import from_base64
from infra.proofs.requests import BAD_TOKEN, NO_PROOF, Secret, SignedRequest, Verify
from infra.requests.paths import JsonPath, TooManyValuesError, compile_path
from infra.requests.query import parse_query
from schemas.bodies import BodyError, parse_body
from schemas.presets import TokenProof
from schemas.webhooks import ApiKeyAuth, BasicAuth, BearerAuth, PathTokenAuth

#: The bytes that a request offers as its proof; None where there is nothing of the kind.
Offered = Callable[[SignedRequest], bytes | None]
TOKENS_OF_BODY_MAX = 1_000


def build_bearer(_: BearerAuth, secrets: Sequence[Secret]) -> Verify:
    """Verifier of `Authorization: Bearer TOKEN`."""
    return _build(_bearer, secrets)


def build_basic(auth: BasicAuth, secrets: Sequence[Secret]) -> Verify:
    """Verifier of `Authorization: Basic BASE64` (RFC 7617)."""
    return _build(_basic, _with_user(auth.username, secrets))


def build_api_key(auth: ApiKeyAuth, secrets: Sequence[Secret]) -> Verify:
    """Verifier of a key that stands in a header."""
    return _build(_in_header(auth.header), secrets)


def build_path_token(auth: PathTokenAuth, secrets: Sequence[Secret]) -> Verify:
    """Verifier of a token in the query."""
    return _build(_in_query(auth.query_param), secrets)


def build_token(proof: TokenProof, fields: Mapping[str, str], secrets: Sequence[Secret]) -> Verify:
    """Verifier of a preset's token; `fields` are its fields but the secret. Raises ProofError."""
    name = proof.name if proof.name_field is None else fields.get(proof.name_field)
    if proof.place == "bearer":
        return _build(_bearer, secrets)
    if name is None:
        raise ProofError(f"{proof.name_field} is missing")
    if proof.place == "basic":
        return _build(_basic, _with_user(name, secrets))
    if proof.place == "query":
        return _build(_in_query(name), secrets)
    if proof.place == "body":
        return _build_body(compile_path(name), secrets)
    return _build(_in_header(name, proof.prefix), secrets)


def _bearer(request: SignedRequest) -> bytes | None:
    token = _credentials(request, "bearer")
    return None if token is None else token.encode("latin-1")


def _basic(request: SignedRequest) -> bytes | None:
    text = _credentials(request, "basic")
    if text is None:
        return None
    try:
        return from_base64(text)
    except ValueError:
        return b""


def _with_user(username: str, secrets: Sequence[Secret]) -> list[Secret]:
    """A user name has no colon, so that comparing the whole of `user:password` splits it at the first one."""
    user = username.encode() + b":"
    return [Secret(user + secret.value, secret.valid_until_us) for secret in secrets]


def _in_header(header: str, prefix: str = "") -> Offered:
    name = header.lower()

    def offered(request: SignedRequest) -> bytes | None:
        text = request.headers.get(name)
        return text.removeprefix(prefix).encode("latin-1") if text else None

    return offered


def _in_query(name: str) -> Offered:
    def offered(request: SignedRequest) -> bytes | None:
        token = parse_query(request.query).get(name)
        return token.encode("utf-8", "surrogatepass") if token else None

    return offered


def _build_body(path: JsonPath, secrets: Sequence[Secret]) -> Verify:
    """Verifier of a token that stands in the body, once or in every item of a list: all of them must be right."""
    prepared = [(sha256(secret.value).digest(), secret.valid_until_us) for secret in secrets]

    def verify(request: SignedRequest, now_us: int) -> str | None:
        given = _tokens_of_body(path, request)
        digests = [sha256(token.encode("utf-8", "surrogatepass")).digest() for token in given or [""]]
        matched = False
        for expected, valid_until_us in prepared:
            alive = valid_until_us is None or now_us < valid_until_us
            same = [hmac.compare_digest(expected, digest) for digest in digests]
            if all(same) and alive:
                matched = True
        if matched and given:
            return None
        return BAD_TOKEN if given else NO_PROOF

    return verify


def _tokens_of_body(path: JsonPath, request: SignedRequest) -> list[str]:
    """What the path leads to; something that is no text is no token. Empty: the body has none, or too many."""
    try:
        values = path.values(parse_body(request.body, request.headers.get("content-type")))
    except (BodyError, TooManyValuesError):
        return []
    if len(values) > TOKENS_OF_BODY_MAX:
        return []
    return [value if isinstance(value, str) else "" for value in values]


def _build(offered: Offered, secrets: Sequence[Secret]) -> Verify:
    prepared = [(sha256(secret.value).digest(), secret.valid_until_us) for secret in secrets]

    def verify(request: SignedRequest, now_us: int) -> str | None:
        given = offered(request)
        digest = sha256(given or b"").digest()
        matched = False
        for expected, valid_until_us in prepared:
            alive = valid_until_us is None or now_us < valid_until_us
            if hmac.compare_digest(expected, digest) and alive:
                matched = True
        if matched:
            return None
        return NO_PROOF if given is None else BAD_TOKEN

    return verify


def _credentials(request: SignedRequest, scheme: str) -> str | None:
    """What stands behind the scheme (in any case) in `Authorization`; None for another scheme."""
    given, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials.strip(" ") if given.lower() == scheme else None
