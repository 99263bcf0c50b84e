"""Signatures against vectors made with openssl and from public documentation."""

import hmac

import pytest

from infra.proofs.requests import BAD_SIGNATURE, BAD_TIMESTAMP, NO_PROOF, Secret, SignedRequest, Verify
from infra.proofs.verify import build_verifier, verify_nobody
from schemas.webhooks import HmacAuth, SealedSecret

KEY = b"a secret of sixteen+"
BODY = b'{"alert":{"id":"a-1"}}'
NOW_US = 1_700_000_000_000_000
SEALED = (SealedSecret(sealed="not used here"),)


def verifier(*secrets: Secret, **auth: object) -> Verify:
    config = HmacAuth.model_validate({"signature_header": "X-Signature", "secrets": SEALED, **auth})
    return build_verifier(config, secrets or (Secret(KEY, None),), {})


def request(body: bytes = BODY, /, **headers: str) -> SignedRequest:
    by_name = {name.replace("_", "-"): value for name, value in headers.items()}
    return SignedRequest("POST", "/api/inbound/acme/rmm", "", by_name, body, "203.0.113.9")


def hex_of(payload: bytes, key: bytes = KEY, algorithm: str = "sha256") -> str:
    return hmac.new(key, payload, algorithm).hexdigest()


def test_githubs_documented_example_is_accepted() -> None:
    verify = verifier(Secret(b"It's a Secret to Everybody", None), signature_header="X-Hub-Signature-256")
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert verify(request(b"Hello, World!", x_hub_signature_256=signature), NOW_US) is None
    assert verify(request(b"Hello, World?", x_hub_signature_256=signature), NOW_US) == BAD_SIGNATURE


# printf '%s' BODY | openssl dgst -ALGORITHM -hmac KEY [-binary | base64]
OPENSSL = [
    ("sha1", "hex", "1548e4f0ab26f556e3d31cd598880d6680346208"),
    ("sha256", "hex", "9251c7cac866b10eaa7a99ccc1dcfdd334cabc9a79ce0e41d0b330da8a51f5d2"),
    (
        "sha512",
        "hex",
        "285ddd6e44ca3f32649f8644ea87bacbdebc2fd90fe870405a1363f740917a1ba893f61088cb3d429bf8aaa41dc1af2e063308dd12ca8e35c1133c3ddb51ec37",
    ),
    ("sha1", "base64", "FUjk8Ksm9Vbj0xzVmIgNZoA0Ygg="),
    ("sha256", "base64", "klHHyshmsQ6qepnMwdz90zTKvJp5zg5B0LMw2opR9dI="),
    ("sha512", "base64", "KF3dbkTKPzJkn4ZE6oe6y968L9kP6HBAWhNj90CRehuok/YQiMs9Qpv4qqQdwa8uBjMI3RLKjjXBEzw921HsNw=="),
    ("sha1", "base64url", "FUjk8Ksm9Vbj0xzVmIgNZoA0Ygg="),
    ("sha256", "base64url", "klHHyshmsQ6qepnMwdz90zTKvJp5zg5B0LMw2opR9dI="),
    ("sha512", "base64url", "KF3dbkTKPzJkn4ZE6oe6y968L9kP6HBAWhNj90CRehuok_YQiMs9Qpv4qqQdwa8uBjMI3RLKjjXBEzw921HsNw=="),
]


@pytest.mark.parametrize(("algorithm", "encoding", "signature"), OPENSSL)
def test_openssl_signatures_are_accepted_and_altered_ones_are_not(
    algorithm: str, encoding: str, signature: str
) -> None:
    verify = verifier(algorithm=algorithm, encoding=encoding)
    assert verify(request(x_signature=signature), NOW_US) is None
    assert verify(request(x_signature=f"{algorithm}={signature}"), NOW_US) is None
    flipped = ("0" if signature[0] != "0" else "1") + signature[1:]
    assert verify(request(x_signature=flipped), NOW_US) == BAD_SIGNATURE
    assert verify(request(BODY + b" ", x_signature=signature), NOW_US) == BAD_SIGNATURE


def test_hex_is_accepted_in_either_case_with_and_without_the_algorithm_prefix() -> None:
    signature = hex_of(BODY).upper()
    for text in (signature, f"sha256={signature}", f"SHA256={signature}"):
        assert verifier()(request(x_signature=text), NOW_US) is None


def test_base64_is_accepted_without_its_padding_and_base64url_with_its_own_alphabet() -> None:
    padded = OPENSSL[4][2]
    assert padded.endswith("=")
    assert verifier(encoding="base64")(request(x_signature=padded.rstrip("=")), NOW_US) is None
    urlsafe = padded.replace("+", "-").replace("/", "_")
    assert verifier(encoding="base64url")(request(x_signature=urlsafe), NOW_US) is None


def test_a_configured_prefix_is_required() -> None:
    verify = verifier(prefix="v0=")
    assert verify(request(x_signature=f"v0={hex_of(BODY)}"), NOW_US) is None
    assert verify(request(x_signature=hex_of(BODY)), NOW_US) == BAD_SIGNATURE
    assert verify(request(x_signature=f"sha256={hex_of(BODY)}"), NOW_US) == BAD_SIGNATURE


@pytest.mark.parametrize("separator", [",", ", ", " "])
def test_any_of_several_signatures_in_one_header_is_enough(separator: str) -> None:
    text = separator.join(["sha256=" + "0" * 64, f"sha256={hex_of(BODY)}", "v9=abc"])
    assert verifier()(request(x_signature=text), NOW_US) is None


def test_signatures_beyond_the_tenth_are_not_tried() -> None:
    text = ",".join(["0" * 64] * 10 + [hex_of(BODY)])
    assert verifier()(request(x_signature=text), NOW_US) == BAD_SIGNATURE


def test_the_signed_payload_template_covers_what_it_names() -> None:
    # printf '1700000000.POST./api/inbound/acme/rmm.evt_1.blue.{"a":1}' | openssl dgst -sha256 -hmac KEY
    signature = "d2a118d2083980a06bfda4951c90a9cfe566d9524bfdfd6b9db27b782912ea00"
    template = "{timestamp}.{method}.{path}.{id}.{header:X-Colour}.{body}"
    verify = verifier(signed_payload=template, timestamp_header="X-Time")
    headers = {"x_time": "1700000000", "webhook_id": "evt_1", "x_colour": "blue", "x_signature": signature}
    assert verify(request(b'{"a":1}', **headers), NOW_US) is None
    assert verify(request(b'{"a":1}', **(headers | {"x_colour": "red"})), NOW_US) == BAD_SIGNATURE


def test_text_in_braces_that_names_nothing_stands_for_itself() -> None:
    verify = verifier(signed_payload='{"x"}{body}')
    assert verify(request(x_signature=hex_of(b'{"x"}' + BODY)), NOW_US) is None


@pytest.mark.parametrize(
    ("offset_seconds", "reason"), [(0, None), (299, None), (-300, None), (301, BAD_TIMESTAMP), (-301, BAD_TIMESTAMP)]
)
def test_a_timestamp_is_good_within_the_tolerance_on_both_sides(offset_seconds: int, reason: str | None) -> None:
    verify = verifier(signed_payload="{timestamp}.{body}", timestamp_header="X-Time")
    time = str(NOW_US // 1_000_000 + offset_seconds)
    assert verify(request(x_time=time, x_signature=hex_of(f"{time}.".encode() + BODY)), NOW_US) == reason
    millis = f"{time}000"
    assert verify(request(x_time=millis, x_signature=hex_of(f"{millis}.".encode() + BODY)), NOW_US) == reason


@pytest.mark.parametrize("time", [None, "", "soon", "-5", "1700000000.5", "1" * 40])
def test_a_timestamp_that_is_missing_or_no_number_is_refused(time: str | None) -> None:
    verify = verifier(timestamp_header="X-Time")
    headers = {"x_signature": hex_of(BODY)} | ({} if time is None else {"x_time": time})
    assert verify(request(BODY, **headers), NOW_US) == BAD_TIMESTAMP


def test_both_live_secrets_are_accepted_and_an_expired_one_is_not() -> None:
    old, new = b"the old secret, 16+", b"the new secret, 16+"
    verify = verifier(Secret(new, None), Secret(old, NOW_US))
    assert verify(request(x_signature=hex_of(BODY, old)), NOW_US - 1) is None
    assert verify(request(x_signature=hex_of(BODY, old)), NOW_US) == BAD_SIGNATURE
    assert verify(request(x_signature=hex_of(BODY, new)), NOW_US) is None


def test_a_secret_longer_than_the_block_is_hashed_first_as_the_rfc_says() -> None:
    # printf x | openssl dgst -sha256 -mac HMAC -macopt key:<100 times k>
    signature = "8c1858bff6cf9cb73708b4b54f43bca6e1b8b4c3380760dc009001b265b64c6f"
    assert verifier(Secret(b"k" * 100, None))(request(b"x", x_signature=signature), NOW_US) is None


@pytest.mark.parametrize("text", ["é" * 64, "\xff", "sha256=", ",", " , ", "0" * 63, "0" * 65])
def test_a_malformed_signature_is_refused_and_never_an_error(text: str) -> None:
    assert verifier()(request(x_signature=text), NOW_US) == BAD_SIGNATURE


def test_a_missing_proof_has_its_own_reason() -> None:
    assert verifier()(request(), NOW_US) == NO_PROOF
    assert verifier()(request(x_signature=""), NOW_US) == NO_PROOF


def test_nobody_is_never_verified_not_even_with_the_stand_in_secret() -> None:
    signature = hex_of(BODY, b"no webhook has this for its secret")
    assert verify_nobody(request(x_signature=signature), NOW_US) == BAD_SIGNATURE
    assert verify_nobody(request(), NOW_US) == NO_PROOF
