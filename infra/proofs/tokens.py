"""Proofs that are a secret itself: a bearer token, a password, a key in a header, a token in the query.

What is offered is compared by its SHA-256, so that the time taken tells neither how much of it is right nor how long
the secret is; where nothing is offered the same is done with nothing.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from hashlib import sha256

from infra.proofs.requests import BAD_TOKEN, NO_PROOF, Secret, SignedRequest, Verify
from infra.requests.query import parse_query
from schemas.webhooks import ApiKeyAuth, BasicAuth, BearerAuth, PathTokenAuth

#: The bytes that a request offers as its proof; None where there is nothing of the kind.
Offered = Callable[[SignedRequest], bytes | None]


def build_bearer(_: BearerAuth, secrets: Sequence[Secret]) -> Verify:
    """Verifier of `Authorization: Bearer TOKEN`."""

    def offered(request: SignedRequest) -> bytes | None:
        token = _credentials(request, "bearer")
        return None if token is None else token.encode("latin-1")

    return _build(offered, secrets)


def build_basic(auth: BasicAuth, secrets: Sequence[Secret]) -> Verify:
    """Verifier of `Authorization: Basic BASE64` (RFC 7617).

    A user name has no colon, so that comparing the whole of `user:password` splits it at the first one.
    """
    user = auth.username.encode() + b":"

    def offered(request: SignedRequest) -> bytes | None:
        text = _credentials(request, "basic")
        if text is None:
            return None
        try:
            return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
        except (binascii.Error, ValueError):
            return b""

    return _build(offered, [Secret(user + secret.value, secret.valid_until_us) for secret in secrets])


def build_api_key(auth: ApiKeyAuth, secrets: Sequence[Secret]) -> Verify:
    """Verifier of a key that stands in a header."""
    name = auth.header.lower()

    def offered(request: SignedRequest) -> bytes | None:
        key = request.headers.get(name)
        return key.encode("latin-1") if key else None

    return _build(offered, secrets)


def build_path_token(auth: PathTokenAuth, secrets: Sequence[Secret]) -> Verify:
    """Verifier of a token in the query."""
    name = auth.query_param

    def offered(request: SignedRequest) -> bytes | None:
        token = parse_query(request.query).get(name)
        return token.encode("utf-8", "surrogatepass") if token else None

    return _build(offered, secrets)


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
