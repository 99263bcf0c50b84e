"""Signatures that others made: the published libraries of Standard Webhooks and Svix, and senders' documentation."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as StandardWebhook
from svix.webhooks import Webhook as SvixWebhook

from infra.presets import load_presets
from infra.proofs.errors import ProofError, UnknownPresetError
from infra.proofs.requests import BAD_SIGNATURE, BAD_TIMESTAMP, NO_PROOF, Secret, SignedRequest, Verify
from infra.proofs.signed_ids import signed_id_of
from infra.proofs.verify import build_verifier
from schemas.webhooks import HmacAuth, PresetAuth, SealedSecret, StandardWebhooksAuth

SEALED = (SealedSecret(sealed="v1.none.none"),)
PRESETS = load_presets()
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
AT = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
NOW_US = int(AT.timestamp()) * 1_000_000


def request(body: bytes, headers: dict[str, str]) -> SignedRequest:
    return SignedRequest("POST", "/api/inbound/acme/alerts", "", headers, body, "203.0.113.7")


def standard(secret: str = SECRET) -> Verify:
    auth = StandardWebhooksAuth(secrets=SEALED)
    return build_verifier(auth, [Secret(secret.encode(), None)], PRESETS)


def signed_by(library: str, event_id: str, body: str) -> dict[str, str]:
    """What the library's own signer puts into the headers."""
    signer, prefix = (
        (StandardWebhook(SECRET), "webhook") if library == "standardwebhooks" else (SvixWebhook(SECRET), "svix")
    )
    return {
        f"{prefix}-id": event_id,
        f"{prefix}-timestamp": str(int(AT.timestamp())),
        f"{prefix}-signature": signer.sign(event_id, AT, body),
    }


BODIES = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True)


@given(IDS, BODIES)
@settings(max_examples=60, deadline=None)
def test_what_the_library_of_standard_webhooks_signs_is_taken(event_id: str, body: str) -> None:
    headers = signed_by("standardwebhooks", event_id, body)
    assert standard()(request(body.encode(), headers), NOW_US) is None
    assert standard()(request(body.encode() + b" ", headers), NOW_US) == BAD_SIGNATURE
    assert standard()(request(body.encode(), headers | {"webhook-id": event_id + "x"}), NOW_US) == BAD_SIGNATURE


@given(IDS, BODIES)
@settings(max_examples=60, deadline=None)
def test_what_svix_signs_is_taken_by_its_preset(event_id: str, body: str) -> None:
    auth = PresetAuth(preset="svix", secrets=SEALED)
    verify = build_verifier(auth, [Secret(SECRET.encode(), None)], PRESETS)
    headers = signed_by("svix", event_id, body)
    assert verify(request(body.encode(), headers), NOW_US) is None
    assert verify(request(body.encode() + b" ", headers), NOW_US) == BAD_SIGNATURE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-id": None}, NO_PROOF),
        ({"webhook-signature": None}, NO_PROOF),
        ({"webhook-timestamp": None}, BAD_SIGNATURE),
        ({"webhook-timestamp": str(int(AT.timestamp()) + 1)}, BAD_SIGNATURE),
        ({"webhook-signature": "v1,"}, BAD_SIGNATURE),
        ({"webhook-signature": "v2,abc"}, BAD_SIGNATURE),
        ({"webhook-signature": "v1a,\xe9"}, BAD_SIGNATURE),
    ],
)
def test_a_part_that_is_missing_or_wrong_is_refused(change: dict[str, str | None], reason: str) -> None:
    headers = signed_by("standardwebhooks", "msg_1", "{}") | change
    present = {name: value for name, value in headers.items() if value is not None}
    assert standard()(request(b"{}", present), NOW_US) == reason


def test_one_good_signature_among_several_is_enough() -> None:
    headers = signed_by("standardwebhooks", "msg_1", "{}")
    several = {"webhook-signature": f"v1,bm90IGl0 v1a,bm90IGl0 {headers['webhook-signature']}"}
    assert standard()(request(b"{}", headers | several), NOW_US) is None


@pytest.mark.parametrize("seconds", [-301, 301])
def test_beyond_the_tolerance_a_right_signature_is_a_replay(seconds: int) -> None:
    headers = signed_by("standardwebhooks", "msg_1", "{}")
    assert standard()(request(b"{}", headers), NOW_US + seconds * 1_000_000) == BAD_TIMESTAMP
    assert standard()(request(b"{}", headers), NOW_US + (seconds - seconds // abs(seconds)) * 1_000_000) is None


def test_the_example_of_the_specification_is_taken() -> None:
    """The secret, id, time, body and signature published with the specification of Standard Webhooks."""
    secret, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1_614_265_330
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": str(at),
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert standard(secret)(request(b'{"test": 2432232314}', headers), at * 1_000_000) is None


def test_an_ed25519_signature_is_taken_and_only_over_what_it_covers() -> None:
    key = Ed25519PrivateKey.generate()
    public = "whpk_" + base64.b64encode(key.public_key().public_bytes_raw()).decode()
    verify = build_verifier(StandardWebhooksAuth(public_key=public), [], PRESETS)
    signature = base64.b64encode(key.sign(f"msg_1.{int(AT.timestamp())}.{{}}".encode())).decode()
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(AT.timestamp())),
        "webhook-signature": f"v1a,{signature}",
    }
    assert verify(request(b"{}", headers), NOW_US) is None
    assert verify(request(b"[]", headers), NOW_US) == BAD_SIGNATURE
    assert verify(request(b"{}", headers | {"webhook-signature": f"v1,{signature}"}), NOW_US) == BAD_SIGNATURE
    assert verify(request(b"{}", headers | {"webhook-signature": "v1a,AAAA"}), NOW_US) == BAD_SIGNATURE


def test_the_standard_id_is_read_from_the_signed_header() -> None:
    read = signed_id_of(StandardWebhooksAuth(secrets=SEALED), PRESETS)
    assert read is not None
    assert read(request(b"", {"webhook-id": " msg_1 "})) == "msg_1"
    assert read(request(b"", {"webhook-id": " "})) is None
    assert signed_id_of(HmacAuth(secrets=SEALED), PRESETS) is None
    assert signed_id_of(PresetAuth(preset="github", secrets=SEALED), PRESETS) is None


def test_a_key_that_is_no_key_and_an_unknown_preset_are_said_by_name() -> None:
    with pytest.raises(ProofError, match="secret is not base64"):
        build_verifier(StandardWebhooksAuth(secrets=SEALED), [Secret(b"whsec_?", None)], PRESETS)
    with pytest.raises(ProofError, match="public_key must be 32 bytes in hex, but is 2"):
        build_verifier(PresetAuth(preset="discord", public_key="abcd"), [], PRESETS)
    with pytest.raises(ProofError, match="public_key is missing"):
        build_verifier(PresetAuth(preset="discord"), [], PRESETS)
    with pytest.raises(UnknownPresetError, match="preset nobody is not installed here"):
        build_verifier(PresetAuth(preset="nobody", secrets=SEALED), [], PRESETS)


def test_githubs_documented_signature_is_taken() -> None:
    """docs.github.com, validating webhook deliveries: secret, payload and signature as published."""
    auth = HmacAuth(signature_header="X-Hub-Signature-256", secrets=SEALED)
    verify = build_verifier(auth, [Secret(b"It's a Secret to Everybody", None)], PRESETS)
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert verify(request(b"Hello, World!", {"x-hub-signature-256": signature}), NOW_US) is None


@given(st.binary(max_size=300), st.sampled_from(["sha1", "sha256", "sha512"]), st.sampled_from(["hex", "base64"]))
@settings(max_examples=60, deadline=None)
def test_our_digests_are_those_of_the_standard_library(body: bytes, algorithm: str, encoding: str) -> None:
    digest = hmac.new(b"k" * 200, body, getattr(hashlib, algorithm)).digest()
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    auth = HmacAuth.model_validate({"algorithm": algorithm, "encoding": encoding, "secrets": SEALED})
    assert build_verifier(auth, [Secret(b"k" * 200, None)], {})(request(body, {"x-signature": text}), NOW_US) is None
