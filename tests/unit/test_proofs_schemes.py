"""Every scheme but signatures: what proves, what does not, and which reason is given."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from infra.proofs.requests import BAD_ADDRESS, BAD_SIGNATURE, BAD_TOKEN, NO_PROOF, Secret, SignedRequest, Verify
from infra.proofs.verify import build_verifier
from schemas.webhooks import (
    ApiKeyAuth,
    AuthConfig,
    BasicAuth,
    BearerAuth,
    HmacAuth,
    IpAllowlistAuth,
    NoAuth,
    PathTokenAuth,
    SealedSecret,
)

NOW_US = 1_700_000_000_000_000
SEALED = (SealedSecret(sealed="not used here"),)
TOKEN = "mF_9.B5f-4.1JqM"  # the example of RFC 6750


def request(headers: dict[str, str] | None = None, query: str = "", source_ip: str = "203.0.113.9") -> SignedRequest:
    return SignedRequest("POST", "/api/inbound/acme/rmm", query, headers or {}, b"{}", source_ip)


def authorization(text: str) -> SignedRequest:
    return request({"authorization": text})


def basic(text: str) -> SignedRequest:
    return authorization(f"Basic {base64.b64encode(text.encode()).decode()}")


def bearer(*secrets: Secret, **auth: Any) -> Verify:
    return build_verifier(BearerAuth(secrets=SEALED, **auth), secrets or (Secret(TOKEN.encode(), None),), {})


def aladdin(password: str = "open sesame") -> Verify:  # noqa: S107  # the example of RFC 7617
    auth = BasicAuth.model_validate({"username": "Aladdin", "secrets": SEALED})
    return build_verifier(auth, (Secret(password.encode(), None),), {})


BEARER_CASES = [
    (f"Bearer {TOKEN}", None),
    (f"bearer {TOKEN}", None),
    (f"BEARER  {TOKEN} ", None),
    (f"Bearer {TOKEN}x", BAD_TOKEN),
    (f"Bearer {TOKEN[:-1]}", BAD_TOKEN),
    (f"Bearer {TOKEN.lower()}", BAD_TOKEN),
    (f"Bearer {TOKEN}, Bearer {TOKEN}", BAD_TOKEN),
    ("Bearer ", BAD_TOKEN),
    ("Bearer \xff", BAD_TOKEN),
    ("Bearer", BAD_TOKEN),
    (f"Basic {TOKEN}", NO_PROOF),
    (TOKEN, NO_PROOF),
    ("", NO_PROOF),
]


@pytest.mark.parametrize(("text", "reason"), BEARER_CASES)
def test_bearer(text: str, reason: str | None) -> None:
    assert bearer()(authorization(text), NOW_US) == reason


def test_a_bearer_token_that_is_not_ascii_is_compared_byte_for_byte() -> None:
    token = "schlüssel-über-alles"
    as_received = token.encode().decode("latin-1")
    assert bearer(Secret(token.encode(), None))(authorization(f"Bearer {as_received}"), NOW_US) is None


def test_the_examples_of_rfc_7617() -> None:
    assert aladdin()(authorization("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), NOW_US) is None
    auth = BasicAuth.model_validate({"username": "test", "secrets": SEALED})
    pounds = build_verifier(auth, (Secret("123£".encode(), None),), {})
    assert pounds(authorization("Basic dGVzdDoxMjPCow=="), NOW_US) is None


BASIC_CASES = [
    (basic("Aladdin:open sesame"), None),
    (authorization("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ"), None),
    (basic("Aladdin:open sesame:"), BAD_TOKEN),
    (basic("aladdin:open sesame"), BAD_TOKEN),
    (basic("Aladdin:"), BAD_TOKEN),
    (basic("Aladdin"), BAD_TOKEN),
    (basic(":open sesame"), BAD_TOKEN),
    (basic(""), BAD_TOKEN),
    (authorization("Basic !!!"), BAD_TOKEN),
    (authorization("Basic \xff\xfe"), BAD_TOKEN),
    (authorization("Basic =QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), BAD_TOKEN),
    (authorization("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), NO_PROOF),
    (request(), NO_PROOF),
]


@pytest.mark.parametrize(("given", "reason"), BASIC_CASES)
def test_basic(given: SignedRequest, reason: str | None) -> None:
    assert aladdin()(given, NOW_US) == reason


def test_a_password_may_have_colons_because_the_first_one_splits() -> None:
    assert aladdin("a:b:c")(basic("Aladdin:a:b:c"), NOW_US) is None
    assert aladdin("a:b:c")(basic("Aladdin:a:b"), NOW_US) == BAD_TOKEN


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"x-api-key": "the key of sixteen"}, None),
        ({"x-api-key": "The key of sixteen"}, BAD_TOKEN),
        ({"x-api-key": "the key of sixteen, the key of sixteen"}, BAD_TOKEN),
        ({"x-api-key": ""}, NO_PROOF),
        ({"x-other": "the key of sixteen"}, NO_PROOF),
    ],
)
def test_api_key(headers: dict[str, str], reason: str | None) -> None:
    verifier = build_verifier(ApiKeyAuth(secrets=SEALED), (Secret(b"the key of sixteen", None),), {})
    assert verifier(request(headers), NOW_US) == reason


def test_an_api_key_stands_in_the_header_that_is_configured() -> None:
    verifier = build_verifier(ApiKeyAuth(header="X-Door", secrets=SEALED), (Secret(b"the key of sixteen", None),), {})
    assert verifier(request({"x-door": "the key of sixteen"}), NOW_US) is None
    assert verifier(request({"x-api-key": "the key of sixteen"}), NOW_US) == NO_PROOF


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("token=s%C3%A9same-of-sixteen", None),
        ("a=1&token=s%c3%a9same%2Dof-sixteen&b", None),
        ("token=wrong&token=s%C3%A9same-of-sixteen", None),
        ("token=s%C3%A9same-of-sixteen&token=wrong", BAD_TOKEN),
        ("token=sesame-of-sixteen", BAD_TOKEN),
        ("TOKEN=s%C3%A9same-of-sixteen", NO_PROOF),
        ("token=", NO_PROOF),
        ("token", NO_PROOF),
        ("", NO_PROOF),
    ],
)
def test_path_token(query: str, reason: str | None) -> None:
    verifier = build_verifier(PathTokenAuth(secrets=SEALED), (Secret("sésame-of-sixteen".encode(), None),), {})
    assert verifier(request(query=query), NOW_US) == reason


ADDRESSES = [
    ("203.0.113.9", None),
    ("::ffff:203.0.113.9", None),
    ("2001:db8::1", None),
    ("203.0.114.1", BAD_ADDRESS),
    ("2001:db9::1", BAD_ADDRESS),
    ("", BAD_ADDRESS),
    ("unix", BAD_ADDRESS),
]


@pytest.mark.parametrize(("source_ip", "reason"), ADDRESSES)
def test_ip_allowlist(source_ip: str, reason: str | None) -> None:
    auth = IpAllowlistAuth(ip_cidrs=("203.0.113.0/24", "2001:db8::/32"))
    assert build_verifier(auth, (), {})(request(source_ip=source_ip), NOW_US) == reason


def test_without_authentication_anyone_may_send_unless_networks_are_given() -> None:
    assert build_verifier(NoAuth(acknowledge_unauthenticated=True), (), {})(request(), NOW_US) is None
    inside = build_verifier(NoAuth(acknowledge_unauthenticated=True, ip_cidrs=("10.0.0.0/8",)), (), {})
    assert inside(request(source_ip="10.1.2.3"), NOW_US) is None
    assert inside(request(), NOW_US) == BAD_ADDRESS


@pytest.mark.parametrize(
    ("text", "source_ip", "reason"),
    [
        (f"Bearer {TOKEN}", "10.1.2.3", None),
        (f"Bearer {TOKEN}", "203.0.113.9", BAD_ADDRESS),
        ("Bearer wrong", "10.1.2.3", BAD_TOKEN),
        ("Bearer wrong", "203.0.113.9", BAD_TOKEN),
    ],
)
def test_networks_beside_another_scheme_must_hold_too(text: str, source_ip: str, reason: str | None) -> None:
    verifier = bearer(ip_cidrs=("10.0.0.0/8",))
    assert verifier(request({"authorization": text}, source_ip=source_ip), NOW_US) == reason


def test_networks_beside_a_signature_must_hold_too() -> None:
    auth = HmacAuth(secrets=SEALED, ip_cidrs=("10.0.0.0/8",))
    verifier = build_verifier(auth, (Secret(b"a secret of sixteen+", None),), {})
    assert verifier(request({"x-signature": "0" * 64}, source_ip="10.0.0.1"), NOW_US) == BAD_SIGNATURE


class Scheme(NamedTuple):
    auth: AuthConfig
    proof: Callable[[str], SignedRequest]


SCHEMES = {
    "bearer": Scheme(BearerAuth(secrets=SEALED), lambda secret: authorization(f"Bearer {secret}")),
    "basic": Scheme(BasicAuth(username="u", secrets=SEALED), lambda secret: basic(f"u:{secret}")),
    "api_key": Scheme(ApiKeyAuth(secrets=SEALED), lambda secret: request({"x-api-key": secret})),
    "path_token": Scheme(PathTokenAuth(secrets=SEALED), lambda secret: request(query=f"token={secret}")),
}
BOTH = (Secret(b"the-new-secret-16", None), Secret(b"the-old-secret-16", NOW_US))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_two_secrets_are_live_at_once_and_one_past_its_end_proves_nothing(scheme: str) -> None:
    auth, proof = SCHEMES[scheme]
    verifier = build_verifier(auth, BOTH, {})
    assert verifier(proof("the-old-secret-16"), NOW_US - 1) is None
    assert verifier(proof("the-new-secret-16"), NOW_US - 1) is None
    assert verifier(proof("the-old-secret-16"), NOW_US) == BAD_TOKEN
    assert verifier(proof("the-new-secret-16"), NOW_US) is None


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_wrong_and_a_missing_proof_cost_the_same_digests(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    auth, proof = SCHEMES[scheme]
    verifier = build_verifier(auth, BOTH, {})
    work: list[str] = []
    compare = hmac.compare_digest

    def counted_sha256(data: bytes) -> Any:
        work.append("digest")
        return hashlib.sha256(data)

    def counted_compare(first: bytes, second: bytes) -> bool:
        work.append(f"compare {len(first)} with {len(second)}")
        return compare(first, second)

    def counted_stand_in(*_: object) -> str:
        work.append("the digest of an unknown webhook")
        return NO_PROOF

    monkeypatch.setattr("infra.proofs.tokens.sha256", counted_sha256)
    monkeypatch.setattr("infra.proofs.tokens.hmac.compare_digest", counted_compare)
    monkeypatch.setattr("infra.proofs.verify.verify_nobody", counted_stand_in)
    for given in (proof("wrong"), proof("x" * 500), request()):
        work.clear()
        assert verifier(given, NOW_US) is not None
        assert work == ["digest", *["compare 32 with 32"] * 2, "the digest of an unknown webhook"]
