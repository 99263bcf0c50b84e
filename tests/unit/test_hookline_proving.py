"""What `hookline send` puts on a request is taken by the receiver's verifier, whatever the scheme, and by others."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError as StandardError
from svix.webhooks import Webhook as SvixWebhook
from svix.webhooks import WebhookVerificationError as SvixError

from hookline.errors import UsageError
from hookline.proving import Occasion, Proof, prove
from hookline.signing import Sender, sign
from infra.proofs.requests import NO_PROOF, Secret, SignedRequest
from infra.proofs.verify import build_verifier
from infra.webhooks import LiveSecret, Webhook
from schemas.presets import SignatureProof
from schemas.webhooks import (
    ApiKeyAuth,
    AuthConfig,
    BasicAuth,
    BearerAuth,
    HmacAuth,
    NoAuth,
    PathTokenAuth,
    SealedSecret,
    StandardWebhooksAuth,
)
from tests.support.presets import PRESETS, auth_of
from tests.support.requests import webhook_config

SEALED = (SealedSecret(sealed="v1.none.none"),)
BASE, PATH = "https://hooks.example.com", "/api/inbound/demo/rmm-alerts"
BODY = b'{"alert": {"id": "a-1", "text": "gr\xc3\xbcn"}}\n'
KEY, WHSEC = "schlüssel & more, 16+", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TEMPLATE = "{timestamp}.{id}.{method}.{path}.{body}"
SCHEMES: dict[str, tuple[AuthConfig, str]] = {
    "hmac": (HmacAuth(secrets=SEALED), KEY),
    "hmac with everything": (
        HmacAuth(
            secrets=SEALED,
            algorithm="sha512",
            encoding="base64url",
            prefix="v1=",
            signed_payload=TEMPLATE,
            timestamp_header="X-Time",
        ),
        KEY,
    ),
    "hmac over a time without a header of its own": (
        HmacAuth(secrets=SEALED, signed_payload="{timestamp}.{body}"),
        KEY,
    ),
    "bearer": (BearerAuth(secrets=SEALED), KEY),
    "basic": (BasicAuth(username="rmm", secrets=SEALED), KEY),
    "api_key": (ApiKeyAuth(header="X-Door", secrets=SEALED), KEY),
    "path_token": (PathTokenAuth(query_param="k", secrets=SEALED), KEY),
    "none": (NoAuth(acknowledge_unauthenticated=True), ""),
    "standard_webhooks": (StandardWebhooksAuth(secrets=SEALED), WHSEC),
}


def webhook_of(auth: AuthConfig, secret: str) -> Webhook:
    live = (LiveSecret(secret.encode(), None),) if secret else ()
    return Webhook(webhook_config(auth_config=auth), live)


def verdict(auth: AuthConfig, secret: str, proof: Proof, at_seconds: int, body: bytes = BODY) -> str | None:
    headers = {"content-type": "application/json", **{name.lower(): text for name, text in proof.headers.items()}}
    request = SignedRequest("POST", PATH, proof.query, headers, body, "::1", BASE)
    secrets = [Secret(secret.encode(), None)] if secret else []
    return build_verifier(auth, secrets, PRESETS)(request, at_seconds * 1_000_000)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_sent_proves_itself(scheme: str) -> None:
    auth, secret = SCHEMES[scheme]
    occasion = Occasion.now(BASE, PATH)
    proof = prove(webhook_of(auth, secret), BODY, occasion, PRESETS)
    assert verdict(auth, secret, proof, occasion.at_seconds) is None
    if secret:
        assert verdict(auth, secret, Proof({}), occasion.at_seconds) == NO_PROOF


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.secret_field is not None])
def test_what_is_sent_to_a_webhook_of_a_preset_proves_itself(name: str) -> None:
    preset = PRESETS[name]
    fields, auth = preset.samples[0].fields, auth_of(preset, preset.samples[0].fields)
    secret, occasion, body = fields[preset.secret_field or ""], Occasion.now(BASE, PATH), BODY
    if not isinstance(preset.proof, SignatureProof) and preset.proof.place == "body":
        body = json.dumps({"sharedSecret": secret, "value": [{"clientState": secret}]}).encode()
    proof = prove(webhook_of(auth, secret), body, occasion, PRESETS)
    assert verdict(auth, secret, proof, occasion.at_seconds, body) is None
    if isinstance(preset.proof, SignatureProof):
        assert verdict(auth, secret, proof, occasion.at_seconds, body + b" ") is not None


@pytest.mark.parametrize(
    ("auth", "verify", "error"),
    [
        (StandardWebhooksAuth(secrets=SEALED), StandardWebhook(WHSEC).verify, StandardError),
        (auth_of(PRESETS["standard-webhooks"], {"secret": WHSEC}), StandardWebhook(WHSEC).verify, StandardError),
        (auth_of(PRESETS["svix"], {"secret": WHSEC}), SvixWebhook(WHSEC).verify, SvixError),
    ],
)
def test_foreign_libraries_take_what_is_sent_and_nothing_else(
    auth: AuthConfig, verify: Callable[..., Any], error: type[Exception]
) -> None:
    """They raise for what is wrong; what they give back for what is right differs."""
    proof = prove(webhook_of(auth, WHSEC), BODY, Occasion.now(BASE, PATH), PRESETS)
    verify(BODY.decode(), proof.headers)
    with pytest.raises(error):
        verify(BODY.decode() + " ", proof.headers)


def test_nobody_but_the_sender_signs_with_a_private_key() -> None:
    preset = PRESETS["discord"]
    webhook = webhook_of(auth_of(preset, preset.samples[0].fields), "")
    with pytest.raises(UsageError, match="public key only"):
        prove(webhook, BODY, Occasion.now(BASE, PATH), PRESETS)


@pytest.fixture
def wire() -> Iterator[tuple[str, list[tuple[str, bytes, list[tuple[str, str]]]]]]:
    """A server's URL, and what arrived there: target, body and headers."""
    arrived: list[tuple[str, bytes, list[tuple[str, str]]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            arrived.append((self.path, body, list(self.headers.items())))
            self.send_response(200)
            self.send_header("X-Delivery-Id", "d-1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{PATH}", arrived
    server.shutdown()
    thread.join()
    server.server_close()


def test_query_body_and_headers_go_over_the_wire_as_they_were_proven(wire: Any) -> None:
    url, arrived = wire
    sender = Sender(url)
    for scheme in ("path_token", "bearer", "hmac"):
        auth, secret = SCHEMES[scheme]
        proof = prove(webhook_of(auth, secret), BODY, Occasion.now(BASE, PATH), PRESETS)
        assert sender.send(BODY, proof.headers, proof.query) == (200, "d-1")
        target, body, headers = arrived.pop()
        assert body == BODY
        assert [name.lower() for name, _ in headers].count("content-type") == 1
        path, _, query = target.partition("?")
        assert path == PATH
        assert verdict(auth, secret, Proof(dict(headers), query), 0) is None
    sender.close()


def test_the_demos_signature_is_over_the_body_alone() -> None:
    auth, secret = SCHEMES["hmac"]
    headers = sign(webhook_of(auth, secret), BODY)
    assert list(headers) == [auth.signature_header if isinstance(auth, HmacAuth) else ""]
    assert verdict(auth, secret, Proof(headers), 0) is None
