"""One bit that is other than the sender sent it, in anything a signature covers, and the request is refused.

Every preset is here by being in presets/: each of its samples, each bit of each signed part.
"""

import base64
import hmac
from collections.abc import Callable, Iterator

import pytest

from infra.proofs.payloads import element_text
from infra.proofs.requests import Secret, SignedRequest
from infra.proofs.verify import build_verifier
from schemas.bodies import BodyError, is_form, parse_body
from schemas.presets import Preset, PresetSample, SignatureProof, TokenProof
from schemas.webhooks import PresetAuth, SealedSecret
from tests.support.presets import PRESETS, Case, is_proven, request_of, secrets_of, verifier_of

SIGNED = [
    pytest.param((preset, sample), id=f"{preset.name}: {sample.name}")
    for preset in PRESETS.values()
    for sample in preset.samples
    if is_proven(preset, sample) and isinstance(preset.proof, SignatureProof)
]
TOKENS = [
    pytest.param((preset, sample), id=f"{preset.name}: {sample.name}")
    for preset in PRESETS.values()
    for sample in preset.samples
    if is_proven(preset, sample) and isinstance(preset.proof, TokenProof)
]
ENCODE: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda raw: base64.b64encode(raw).decode(),
    "base64url": lambda raw: base64.urlsafe_b64encode(raw).decode(),
}
DECODE: dict[str, Callable[[str], bytes]] = {
    "hex": bytes.fromhex,
    "base64": lambda text: base64.b64decode(text + "=" * (-len(text) % 4)),
    "base64url": lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)),
}


def flipped(text: bytes) -> Iterator[bytes]:
    for position in range(len(text)):
        for bit in range(8):
            yield text[:position] + bytes([text[position] ^ 1 << bit]) + text[position + 1 :]


def flipped_text(text: str) -> Iterator[str]:
    return (each.decode("latin-1") for each in flipped(text.encode("latin-1")))


def means_the_same(request: SignedRequest, changed: SignedRequest) -> bool:
    """A form is signed by its values and not by its bytes: %2b and %2B are one."""
    content_type = request.headers.get("content-type")
    if not is_form(content_type):
        return False
    try:
        return bool(parse_body(changed.body, content_type) == parse_body(request.body, content_type))
    except BodyError:
        return False


def changed_in_headers(proof: SignatureProof, request: SignedRequest) -> Iterator[SignedRequest]:
    """The time, the id, and whatever else the template takes from a header."""
    named = [part.partition("}")[0] for part in proof.signed.split("{header:")[1:]]
    if proof.id_header is not None:
        named.append(proof.id_header)
    time = proof.timestamp
    if time is not None and time.header is not None:
        named.append(time.header)
    for name in named:
        for text in flipped_text(request.headers[name.lower()]):
            yield request._replace(headers={**request.headers, name.lower(): text})
    if time is not None and time.element is not None:
        header = proof.header.lower()
        value = element_text(header, time.element, proof.separator or ",")(request)
        assert value
        before, mark, after = request.headers[header].partition(f"{time.element}={value}")
        assert mark
        for text in flipped_text(value):
            yield request._replace(headers={**request.headers, header: f"{before}{time.element}={text}{after}"})


def changed_in_the_line(proof: SignatureProof, request: SignedRequest) -> Iterator[SignedRequest]:
    """Method, path, query, scheme and host, where they are signed."""
    if "{method}" in proof.signed:
        yield request._replace(method="PUT" if request.method == "POST" else "POST")
    if "{url}" in proof.signed:
        for text in flipped_text(request.base_url):
            yield request._replace(base_url=text)
    if "{url}" in proof.signed or "{path}" in proof.signed:
        for text in flipped_text(request.path):
            yield request._replace(path=text)
    if "{url}" in proof.signed or "{query}" in proof.signed:
        for text in flipped_text(request.query):
            yield request._replace(query=text)


@pytest.mark.parametrize("case", SIGNED)
def test_a_flipped_bit_in_anything_that_is_signed_is_refused(case: Case) -> None:
    preset, sample = case
    proof, request, now_us = preset.proof, request_of(sample), sample.at * 1_000_000
    assert isinstance(proof, SignatureProof)
    verify, tried = verifier_of(preset, sample.fields), 0
    assert verify(request, now_us) is None
    for changed in (*changed_in_headers(proof, request), *changed_in_the_line(proof, request)):
        tried += 1
        assert verify(changed, now_us) is not None, changed
    for body in flipped(request.body):
        tried += 1
        changed = request._replace(body=body)
        assert verify(changed, now_us) is not None or means_the_same(request, changed), body
    assert tried > 0


def signatures_in(proof: SignatureProof, sample: PresetSample) -> list[str]:
    """The signatures of a sample's header as they are written."""
    text = next(value for name, value in sample.headers.items() if name.lower() == proof.header.lower())
    parts = [part.strip() for part in text.split(proof.separator)] if proof.separator else [text]
    return [part[len(proof.prefix) :] for part in parts if part.startswith(proof.prefix)]


def with_only(request: SignedRequest, header: str, kept: str, every: list[str]) -> SignedRequest:
    text = request.headers[header]
    for written in every:
        if written != kept:
            text = text.replace(written, "")
    return request._replace(headers={**request.headers, header: text})


@pytest.mark.parametrize("case", SIGNED)
def test_a_flipped_bit_in_the_signature_is_refused(case: Case) -> None:
    """Of several, one is right; each is looked at without the others."""
    preset, sample = case
    proof, request, now_us = preset.proof, request_of(sample), sample.at * 1_000_000
    assert isinstance(proof, SignatureProof)
    verify, header = verifier_of(preset, sample.fields), proof.header.lower()
    every, right = signatures_in(proof, sample), 0
    for written in every:
        alone = with_only(request, header, written, every)
        if verify(alone, now_us) is not None:
            continue
        right += 1
        for spoilt in flipped(DECODE[proof.encoding](written)):
            text = alone.headers[header].replace(written, ENCODE[proof.encoding](spoilt))
            assert verify(alone._replace(headers={**alone.headers, header: text}), now_us) is not None
    assert right > 0


@pytest.mark.parametrize("case", TOKENS)
def test_a_flipped_bit_in_a_token_is_refused(case: Case) -> None:
    preset, sample = case
    request, now_us = request_of(sample), sample.at * 1_000_000
    (secret,) = secrets_of(preset, sample.fields)
    fields = {name: value for name, value in sample.fields.items() if name != preset.secret_field}
    auth = PresetAuth.model_validate({"preset": preset.name, **fields, "secrets": [SealedSecret(sealed="")]})
    assert build_verifier(auth, [secret], PRESETS)(request, now_us) is None
    for spoilt in flipped(secret.value):
        assert build_verifier(auth, [Secret(spoilt, None)], PRESETS)(request, now_us) is not None


def test_every_preset_is_among_them() -> None:
    tested: set[str] = set()
    for parameter in (*SIGNED, *TOKENS):
        (case,) = parameter.values
        assert isinstance(case, tuple)
        preset = case[0]
        assert isinstance(preset, Preset)
        tested.add(preset.name)
    assert tested == set(PRESETS)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"&" * 1_001, b"a=\xc3"])
def test_a_signature_over_the_url_alone_does_not_go_with_a_form_that_cannot_be_read(body: bytes) -> None:
    """Twilio signs a GET by its URL; that signature must not prove a body it knows nothing of."""
    key, url = b"an auth token of sixteen", "https://a.example/api/inbound/acme/alerts"
    signature = base64.b64encode(hmac.digest(key, url.encode(), "sha1")).decode()
    headers = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"}
    request = SignedRequest("POST", "/api/inbound/acme/alerts", "", headers, b"", "::1", "https://a.example")
    auth = PresetAuth(preset="twilio", secrets=(SealedSecret(sealed=""),))
    verify = build_verifier(auth, [Secret(key, None)], PRESETS)
    assert verify(request, 0) is None
    assert verify(request._replace(body=body), 0) is not None
