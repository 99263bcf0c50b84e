"""Why a request is refused: each cause has its words, hints are found by trying, and no secret is ever said."""

import base64
import hmac
from typing import Any

import pytest

from infra.presets import load_presets
from infra.proofs.explain import Explanation, explain
from infra.proofs.requests import (
    BAD_ADDRESS,
    BAD_SIGNATURE,
    BAD_TIMESTAMP,
    BAD_TOKEN,
    NO_PROOF,
    Secret,
    SignedRequest,
)
from schemas.webhooks import (
    ApiKeyAuth,
    AuthConfig,
    BasicAuth,
    BearerAuth,
    HmacAuth,
    IpAllowlistAuth,
    PathTokenAuth,
    PresetAuth,
    SealedSecret,
    StandardWebhooksAuth,
)

SEALED = (SealedSecret(sealed="v1.none.none"),)
PRESETS = load_presets()
NOW_US = 1_790_000_000_000_000
KEY, OLD = b"a secret of sixteen characters", b"the secret of before, sixteen"
BODY = b'{"alert": {"id": 1}}\n'


def signature(body: bytes = BODY, key: bytes = KEY, algorithm: str = "sha256") -> str:
    return hmac.digest(key, body, algorithm).hex()


def told(
    auth: AuthConfig, headers: dict[str, str], body: bytes = BODY, *, query: str = "", secrets: Any = None
) -> Explanation:
    request = SignedRequest(
        "POST", "/api/inbound/acme/alerts", query, headers, body, "203.0.113.7", "https://a.example"
    )
    found = explain(auth, secrets or [Secret(KEY, None)], request, NOW_US, PRESETS)
    said = " ".join([found.words, *found.hints])
    for secret in (KEY, OLD):
        assert secret.decode() not in said
        for algorithm in ("sha1", "sha256", "sha512"):
            digest = hmac.digest(secret, body, algorithm)
            assert digest.hex() not in said
            assert base64.b64encode(digest).decode().rstrip("=") not in said
    return found


HMAC = HmacAuth(secrets=SEALED)


def test_a_good_request_is_said_to_be_good() -> None:
    assert told(HMAC, {"x-signature": signature()}) == Explanation(
        None, "The request is proven: the header x-signature is right."
    )


@pytest.mark.parametrize(
    ("auth", "place"),
    [
        (HMAC, "the header x-signature"),
        (BearerAuth(secrets=SEALED), "the header authorization (bearer)"),
        (BasicAuth(username="rmm", secrets=SEALED), "the header authorization (basic)"),
        (ApiKeyAuth(header="X-Door", secrets=SEALED), "the header x-door"),
        (PathTokenAuth(query_param="k", secrets=SEALED), "the query parameter k"),
        (PresetAuth(preset="stripe", secrets=SEALED), "the header stripe-signature"),
        (PresetAuth(preset="gitlab", secrets=SEALED), "the header x-gitlab-token"),
        (PresetAuth(preset="okta", header="X-Own", secrets=SEALED), "the header x-own"),
        (PresetAuth(preset="microsoft-graph", secrets=SEALED), "the body, at $.value[*].clientState"),
    ],
)
def test_a_proof_that_is_missing_is_said_with_its_place(auth: AuthConfig, place: str) -> None:
    found = told(auth, {})
    assert found.reason == NO_PROOF
    assert found.words == f"The request has no proof: {place} is missing."


def test_a_header_that_may_have_been_meant_is_named() -> None:
    found = told(HMAC, {"x-hub-signature-256": signature(), "x-signatur": "1", "accept": "*/*"})
    assert set(found.hints) == {
        "The request has a header x-hub-signature-256: is it the one?",
        "The request has a header x-signatur: is it the one?",
    }


def test_another_scheme_in_authorization_is_named_without_what_follows_it() -> None:
    found = told(BearerAuth(secrets=SEALED), {"authorization": "Basic cm1tOnBhc3N3b3Jk"})
    assert found.hints == ("There is a header authorization, but of another scheme (basic).",)
    found = told(BearerAuth(secrets=SEALED), {"authorization": "a-token-without-scheme"})
    assert found.hints == ("There is a header authorization, but of another scheme (unknown).",)


@pytest.mark.parametrize(
    ("auth", "given", "hint"),
    [
        (HMAC, signature(BODY.strip()), "the body without the blanks at its ends"),
        (HMAC, signature(BODY + b"\n"), "the body with a line break at its end"),
        (HMAC, signature(BODY.replace(b"\n", b"\r\n")), "the body with CRLF for LF"),
        (HMAC, signature(b""), "an empty body"),
        (HMAC, signature(b'{"alert":{"id":1}}'), "the same JSON without blanks"),
        (HMAC, signature(b'{\n  "alert": {\n    "id": 1\n  }\n}'), "the same JSON, indented"),
        (HMAC, base64.b64encode(hmac.digest(KEY, BODY, "sha256")).decode(), "right in base64; the webhook says hex"),
        (HMAC, signature(algorithm="sha512"), "right with sha512; the webhook says sha256"),
        (HMAC, signature(key=KEY + b"\n"), "a blank or a line break at the end of the secret"),
        (HmacAuth(prefix="v1=", secrets=SEALED), signature(), "right without the prefix v1="),
        (HmacAuth(prefix="v1=", secrets=SEALED), f"v0={signature()}", "right behind another prefix than v1="),
        (HMAC, f"v0={signature()}", "right behind a prefix that does not belong there"),
        (HmacAuth(signed_payload="{timestamp}.{body}", secrets=SEALED), signature(), "signs the body alone"),
    ],
)
def test_what_would_have_been_right_is_found(auth: AuthConfig, given: str, hint: str) -> None:
    found = told(auth, {"x-signature": given})
    assert found.reason == BAD_SIGNATURE
    assert found.words == "The signature in the header x-signature is not right."
    assert any(hint in each for each in found.hints), found.hints


WHSEC = f"whsec_{base64.b64encode(KEY).decode()}".encode()
STANDARD = StandardWebhooksAuth(secrets=SEALED)
SVIX, GITHUB = PresetAuth(preset="svix", secrets=SEALED), PresetAuth(preset="github", secrets=SEALED)


def standard(prefix: str, made: bytes | str, version: str = "v1,") -> dict[str, str]:
    """The headers of Standard Webhooks or Svix around a signature that may be of anything."""
    text = made if isinstance(made, str) else base64.b64encode(made).decode()
    at = str(NOW_US // 1_000_000)
    return {f"{prefix}-id": "m", f"{prefix}-timestamp": at, f"{prefix}-signature": version + text}


def digest_of(key: bytes = KEY, body: bytes = BODY, algorithm: str = "sha256") -> bytes:
    return hmac.digest(key, f"m.{NOW_US // 1_000_000}.".encode() + body, algorithm)


@pytest.mark.parametrize(
    ("auth", "secret", "headers", "hint"),
    [
        (STANDARD, WHSEC, standard("webhook", digest_of().hex()), "right in hex; this scheme has base64"),
        (STANDARD, WHSEC, standard("webhook", digest_of(algorithm="sha512")), "right with sha512"),
        (STANDARD, WHSEC, standard("webhook", digest_of(WHSEC)), "signs with the secret as it is written"),
        (STANDARD, WHSEC, standard("webhook", digest_of(), ""), "right without the prefix v1,"),
        (STANDARD, WHSEC, standard("webhook", digest_of(), "v0,"), "right behind another prefix than v1,"),
        (STANDARD, WHSEC, standard("webhook", hmac.digest(KEY, BODY, "sha256")), "signs the body alone"),
        (STANDARD, WHSEC, standard("webhook", digest_of(body=BODY.strip())), "the body without the blanks at its ends"),
        (SVIX, WHSEC, standard("svix", digest_of().hex()), "right in hex; this scheme has base64"),
        (GITHUB, KEY, {"x-hub-signature-256": signature()}, "right without the prefix sha256="),
        (GITHUB, KEY, {"x-hub-signature-256": "sha256=" + signature(algorithm="sha1")}, "right with sha1"),
        (GITHUB, KEY + b"\n", {"x-hub-signature-256": "sha256=" + signature()}, "saved here has a blank"),
    ],
)
def test_what_would_have_been_right_is_found_for_presets_and_standard_webhooks_too(
    auth: AuthConfig, secret: bytes, headers: dict[str, str], hint: str
) -> None:
    found = told(auth, headers, secrets=[Secret(secret, None)])
    assert found.reason == BAD_SIGNATURE
    assert any(hint in each for each in found.hints), found.hints


@pytest.mark.parametrize(("auth", "prefix"), [(STANDARD, "webhook"), (SVIX, "svix")])
def test_a_signature_that_nothing_explains_is_refused_and_not_taken_for_a_fault_of_the_secret(
    auth: AuthConfig, prefix: str
) -> None:
    """A blank behind a secret in base64 is no key, and trying it may not end the explanation."""
    found = told(auth, standard(prefix, b"x" * 32), secrets=[Secret(WHSEC, None)])
    assert found.reason == BAD_SIGNATURE
    assert found.hints == ()


def test_the_secret_of_before_is_recognised() -> None:
    secrets = [Secret(KEY, None), Secret(OLD, NOW_US - 1)]
    found = told(HMAC, {"x-signature": signature(key=OLD)}, secrets=secrets)
    assert len(found.hints) == 1
    assert "previous secret" in found.hints[0]
    found = told(BearerAuth(secrets=SEALED), {"authorization": f"Bearer {OLD.decode()}"}, secrets=secrets)
    assert found.reason == BAD_TOKEN
    assert "previous secret" in found.hints[0]


def test_a_wrong_signature_that_nothing_explains_has_no_hint() -> None:
    assert told(HMAC, {"x-signature": "0" * 64}).hints == ()


@pytest.mark.parametrize(
    ("timestamp", "words"),
    [
        (str(NOW_US // 1_000_000 - 412), "412 s old; 300 s are allowed"),
        (str(NOW_US // 1_000_000 + 412), "412 s ahead of our clock; 300 s are allowed"),
        ("yesterday", "missing or no time"),
    ],
)
def test_a_time_out_of_bounds_is_said_in_seconds(timestamp: str, words: str) -> None:
    secret = base64.b64encode(KEY).decode()
    signed = base64.b64encode(hmac.digest(KEY, f"m.{timestamp}.".encode() + BODY, "sha256")).decode()
    headers = {"webhook-id": "m", "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signed}"}
    auth = StandardWebhooksAuth(secrets=SEALED)
    found = told(auth, headers, secrets=[Secret(f"whsec_{secret}".encode(), None)])
    assert found.reason == BAD_TIMESTAMP
    assert words in found.words


def test_milliseconds_for_seconds_are_recognised() -> None:
    stamp = str(NOW_US // 1_000)
    signed = hmac.digest(KEY, f"{stamp}.".encode() + BODY, "sha256").hex()
    found = told(PresetAuth(preset="stripe", secrets=SEALED), {"stripe-signature": f"t={stamp},v1={signed}"})
    assert found.reason == BAD_TIMESTAMP
    assert "seconds and milliseconds" in found.hints[0]


def test_an_address_outside_is_said_with_the_networks() -> None:
    found = told(IpAllowlistAuth(ip_cidrs=("198.51.100.0/24",)), {})
    assert found.reason == BAD_ADDRESS
    assert found.words == "The request came from 203.0.113.7, which is in none of 198.51.100.0/24."


def test_a_url_signed_with_another_scheme_is_recognised() -> None:
    auth = PresetAuth(preset="twilio", secrets=SEALED)
    url = "http://a.example/api/inbound/acme/alerts"
    signed = base64.b64encode(hmac.digest(KEY, f"{url}From1".encode(), "sha1")).decode()
    headers = {"x-twilio-signature": signed, "content-type": "application/x-www-form-urlencoded"}
    found = told(auth, headers, b"From=1")
    assert any("PUBLIC_BASE_URL" in hint for hint in found.hints)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_preset_is_explained(preset: Any) -> None:
    fields = {name: "X-Own-Name" for name, field in preset.fields.items() if not field.secret}
    if preset.secret_field is None:
        fields = preset.samples[0].fields
    auth = PresetAuth.model_validate(
        {"preset": preset.name, **fields, "secrets": SEALED if preset.secret_field else ()}
    )
    key = base64.b64encode(KEY) if preset.secret_field else KEY
    assert told(auth, {}, secrets=[Secret(key, None)]).words.startswith("The request has no proof: ")
