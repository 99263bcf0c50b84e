"""What a proof costs: microseconds per verification, beside hashing the same body once.

Each scheme verifies a request of its own that is right, 500 bytes unless the name says otherwise; a preset verifies the
first of its samples. `unknown webhook` is what every refusal costs at least. The best of several rounds counts: what
else runs on the machine only adds. Run with `python -m bench.verification [--seconds S]`; it prints JSON.
"""

import argparse
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.presets import load_presets
from infra.proofs.requests import Secret, SignedRequest, Verify
from infra.proofs.verify import build_verifier, verify_nobody
from schemas.presets import Preset
from schemas.webhooks import AuthConfig, BearerAuth, HmacAuth, PresetAuth, SealedSecret, StandardWebhooksAuth

SEALED = (SealedSecret(sealed="v1.none.none"),)
KEY = b"a secret of the benchmark, 32 bytes"
AT_SECONDS = 1_790_000_000
BODY = b'{"alert":{"id":"a-1","text":"%s"}}' % (b"x" * 466)
LARGE = BODY + b" " * (65_536 - len(BODY))
SHOWN = ("github", "stripe", "slack", "twilio", "discord", "microsoft-graph")
ROUNDS = 5
Measured = Callable[[], object]


def request_of(body: bytes, headers: dict[str, str]) -> SignedRequest:
    """A POST with these headers, and a few that every request has."""
    common = {"host": "hooks.example.com", "content-type": "application/json", "user-agent": "bench/1"}
    return SignedRequest("POST", "/api/inbound/acme/alerts", "", common | headers, body, "203.0.113.7")


def verified(verify: Verify, request: SignedRequest, at_seconds: int = AT_SECONDS) -> Measured:
    """One verification, which was seen to succeed."""
    now_us = at_seconds * 1_000_000
    reason = verify(request, now_us)
    if reason is not None:
        raise AssertionError(f"a request that should be right is refused: {reason}")
    return lambda: verify(request, now_us)


def of_scheme(auth: AuthConfig, secret: bytes, body: bytes, headers: dict[str, str]) -> Measured:
    """A request of one scheme."""
    return verified(build_verifier(auth, [Secret(secret, None)], {}), request_of(body, headers))


def of_preset(preset: Preset) -> Measured:
    """The first sample that is an event."""
    sample = next(sample for sample in preset.samples if sample.answer is None)
    fields = {name: value for name, value in sample.fields.items() if name != preset.secret_field}
    secrets = [] if preset.secret_field is None else [Secret(sample.fields[preset.secret_field].encode(), None)]
    auth = PresetAuth.model_validate({"preset": preset.name, **fields, "secrets": SEALED if secrets else ()})
    url = urlsplit(sample.url)
    headers = {name.lower(): value for name, value in sample.headers.items()}
    body, base_url = sample.body.encode(), f"{url.scheme}://{url.netloc}"
    request = SignedRequest(sample.method, url.path, url.query, headers, body, "203.0.113.7", base_url)
    return verified(build_verifier(auth, secrets, {preset.name: preset}), request, sample.at)


def signed_hmac(body: bytes) -> dict[str, str]:
    """The header of auth_type hmac_sha256."""
    return {"x-signature": hmac.digest(KEY, body, "sha256").hex()}


def signed_standard(sign: Callable[[bytes], bytes], version: str) -> dict[str, str]:
    """The headers of Standard Webhooks."""
    signature = base64.b64encode(sign(f"msg_1.{AT_SECONDS}.".encode() + BODY)).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": str(AT_SECONDS), "webhook-signature": f"{version},{signature}"}


def measured_schemes() -> dict[str, Measured]:
    """By name, in the order they are shown."""
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(KEY).digest())
    public = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    whsec = b"whsec_" + base64.b64encode(KEY)
    nobody = request_of(BODY, {"x-signature": "0" * 64})
    presets = load_presets()
    return {
        "unknown webhook": lambda: verify_nobody(nobody, AT_SECONDS * 1_000_000),
        "hmac_sha256": of_scheme(HmacAuth(secrets=SEALED), KEY, BODY, signed_hmac(BODY)),
        "hmac_sha256, 64 KiB": of_scheme(HmacAuth(secrets=SEALED), KEY, LARGE, signed_hmac(LARGE)),
        "bearer": of_scheme(BearerAuth(secrets=SEALED), KEY, BODY, {"authorization": f"Bearer {KEY.decode()}"}),
        "standard_webhooks": of_scheme(
            StandardWebhooksAuth(secrets=SEALED),
            whsec,
            BODY,
            signed_standard(lambda payload: hmac.digest(KEY, payload, "sha256"), "v1"),
        ),
        "standard_webhooks, Ed25519": of_scheme(
            StandardWebhooksAuth(public_key=public), b"", BODY, signed_standard(private.sign, "v1a")
        ),
        **{f"preset {name}": of_preset(presets[name]) for name in SHOWN},
    }


def microseconds(measured: Measured, seconds: float) -> float:
    """Per call, in the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        calls, started = 0, time.perf_counter()
        ends = started + seconds / ROUNDS
        while (now := time.perf_counter()) < ends:
            for _ in range(100):
                measured()
            calls += 100
        best = min(best, (now - started) / max(calls, 1))
    return best * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cost of proofs, in microseconds.")
    parser.add_argument("--seconds", type=float, default=0.6, help="per scheme")
    seconds = parser.parse_args().seconds
    schemes = measured_schemes()
    for measured in schemes.values():
        microseconds(measured, seconds / 10)  # warm
    costs = {name: round(microseconds(measured, seconds), 2) for name, measured in schemes.items()}
    floor = microseconds(lambda: hashlib.sha256(BODY).digest(), seconds)
    large = microseconds(lambda: hashlib.sha256(LARGE).digest(), seconds)
    print(json.dumps({"microseconds": costs, "floor": round(floor, 3), "floor, 64 KiB": round(large, 3)}, indent=2))


if __name__ == "__main__":
    main()
