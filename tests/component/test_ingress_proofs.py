"""Every scheme through the real HTTP edge: the right proof is taken, every other is the same 401, no proof is kept."""

import base64
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from hookline.embedded.kafka import KafkaBroker
from infra.clock import now_us
from schemas.headers import decode
from schemas.records import RequestFacts
from schemas.webhooks import WebhookConfig
from tests.support.ingress import (
    SECRET,
    Publisher,
    RunningIngress,
    Watcher,
    await_status,
    running_ingress,
    signature_of,
    signed,
)
from tests.support.wait import eventually

BODY = b'{"alert":{"id":"a-1"}}'
UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0"
OTHER = "another secret, long enough"


@pytest.fixture(scope="module")
def ingress(kafka: KafkaBroker, publisher: Publisher) -> Iterator[RunningIngress]:
    """A receiver behind a proxy on this machine."""
    with running_ingress(kafka.bootstrap, trusted_proxies="127.0.0.0/8, ::1") as running:
        yield running


class Proof(NamedTuple):
    """Where a request carries it."""

    lines: tuple[str, ...] = ()
    query: str = ""


class Scheme(NamedTuple):
    """A scheme's configuration, its good proof, and bad ones with the reasons of their rejections."""

    auth: dict[str, Any]
    good: Proof
    bad: dict[str, Proof]


def _basic(text: str) -> str:
    return f"authorization: Basic {base64.b64encode(text.encode()).decode()}"


def proof_of(scheme: str, secret: str) -> Proof:
    quoted = secret.replace(" ", "+").replace(",", "%2C")
    return {
        "hmac_sha256": Proof((f"x-signature: sha256={signature_of(BODY, secret)}",)),
        "bearer": Proof((f"authorization: Bearer {secret}",)),
        "basic": Proof((_basic(f"rmm:{secret}"),)),
        "api_key": Proof((f"x-door: {secret}",)),
        "path_token": Proof(query=f"?kind=alert&k={quoted}"),
    }[scheme]


AUTHS: dict[str, dict[str, Any]] = {
    "hmac_sha256": {"type": "hmac_sha256"},
    "bearer": {"type": "bearer"},
    "basic": {"type": "basic", "username": "rmm"},
    "api_key": {"type": "api_key", "header": "X-Door"},
    "path_token": {"type": "path_token", "query_param": "k"},
}
WRONG = dict.fromkeys(AUTHS, "rejected_bearer") | {"hmac_sha256": "rejected_signature"}
INSIDE, OUTSIDE = "x-forwarded-for: 198.51.100.7", "x-forwarded-for: 198.51.101.7"
SCHEMES = {
    scheme: Scheme(
        auth, proof_of(scheme, SECRET), {WRONG[scheme]: proof_of(scheme, OTHER), "rejected_no_auth": Proof()}
    )
    for scheme, auth in AUTHS.items()
} | {
    "ip_allowlist": Scheme(
        {"type": "ip_allowlist", "ip_cidrs": ["198.51.100.0/24"]}, Proof((INSIDE,)), {"rejected_ip": Proof((OUTSIDE,))}
    ),
    "bearer and networks": Scheme(
        {"type": "bearer", "ip_cidrs": ["198.51.100.0/24", "2001:db8::/32"]},
        Proof((f"authorization: Bearer {SECRET}", "x-forwarded-for: 192.0.2.1, ::ffff:198.51.100.7, 127.0.0.9")),
        {
            "rejected_ip": Proof((f"authorization: Bearer {SECRET}", "x-forwarded-for: 198.51.100.7, 203.0.113.9")),
            "rejected_bearer": Proof((f"authorization: Bearer {OTHER}", INSIDE)),
            "rejected_no_auth": Proof((INSIDE,)),
        },
    ),
    "none": Scheme({"type": "none", "acknowledge_unauthenticated": True}, Proof(), {}),
}


def request(config: WebhookConfig, proof: Proof, *, method: str = "POST", body: bytes = BODY) -> bytes:
    path = f"/api/inbound/{config.tenant_slug}/{config.slug}{proof.query}"
    head = [f"{method} {path} HTTP/1.1", "host: test", f"content-length: {len(body)}", *proof.lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_takes_its_proof_and_refuses_every_other_alike(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher, name: str
) -> None:
    scheme = SCHEMES[name]
    config = tenant.publish(tenant.webhook(auth=scheme.auth))
    answer = await_status(ingress, request(config, scheme.good), 200)
    message = watcher.delivery(answer.json["delivery_id"])
    assert message.value() == BODY
    facts = RequestFacts.model_validate_json(decode(message.headers()).request)
    assert facts.query == ({"kind": "alert"} if name == "path_token" else {})
    answers = [ingress.send(request(config, proof)).raw for proof in scheme.bad.values()]
    assert set(answers) <= {UNAUTHORIZED}
    eventually(
        lambda: {record["reason"] for record in watcher.rejections(webhook_id=config.webhook_id)} == set(scheme.bad),
        timeout_seconds=10,
        what=f"rejections {set(scheme.bad)}",
    )


@pytest.mark.parametrize("name", AUTHS)
def test_two_secrets_are_live_and_a_disabled_webhook_takes_neither(
    ingress: RunningIngress, tenant: Publisher, name: str
) -> None:
    webhook_id = str(uuid.uuid4())
    until_us = now_us() + 600_000_000
    secrets = [tenant.seal(webhook_id, OTHER), tenant.seal(webhook_id, SECRET, valid_until_us=until_us)]
    config = tenant.publish(tenant.webhook(webhook_id=webhook_id, auth=AUTHS[name], secrets=secrets))
    await_status(ingress, request(config, proof_of(name, SECRET)), 200)
    assert ingress.send(request(config, proof_of(name, OTHER))).status == 200
    over = tenant.webhook(
        webhook_id=webhook_id,
        auth=AUTHS[name],
        secrets=[secrets[0], tenant.seal(webhook_id, SECRET, valid_until_us=1)],
        version=2,
    )
    tenant.publish(over)
    await_status(ingress, request(config, proof_of(name, SECRET)), 401)
    assert ingress.send(request(config, proof_of(name, OTHER))).status == 200
    tenant.publish(over.model_copy(update={"is_active": False, "version": 3}))
    disabled = await_status(ingress, request(config, proof_of(name, OTHER)), 401)
    assert disabled.raw == UNAUTHORIZED


def test_no_secret_is_in_any_record_or_log_line(kafka: KafkaBroker, publisher: Publisher, watcher: Watcher) -> None:
    tenant = Publisher(publisher.settings, publisher.producer)
    planted = "planted-secret-of-the-sender"
    with running_ingress(kafka.bootstrap, rejections_per_second_max=1_000) as ingress:
        sent = []
        for number, name in enumerate(AUTHS):
            webhook_id = str(uuid.uuid4())
            config = tenant.webhook(
                f"w{number}", webhook_id=webhook_id, auth=AUTHS[name], secrets=[tenant.seal(webhook_id, planted)]
            )
            tenant.publish(config)
            proof = proof_of(name, planted)
            url = f"/api/inbound/{config.tenant_slug}/{config.slug}{proof.query}"
            proof = proof._replace(lines=(*proof.lines, f"x-original-url: {url}", f"x-seen-by-proxy: {url}"))
            await_status(ingress, request(config, proof), 200)
            nobody = config.model_copy(update={"slug": "unknown"})
            for wrong in (
                request(nobody, proof),
                request(config, proof, method="GET"),
                request(config, proof, method="DELETE"),
                request(config, proof, body=b"{not json"),
                request(config, proof).replace(b"content-length: 22", b"content-length: x"),
            ):
                assert ingress.send(wrong).status >= 400
            sent.append(config.webhook_id)
        ingress.stop()
        log = ingress.log.read_bytes()
        eventually(
            lambda: all(webhook_id.encode() in recorded(watcher) for webhook_id in sent),
            timeout_seconds=30,
            what="something of each webhook in Kafka",
        )
        watcher.poll(1.0)
    assert planted.encode() not in log + recorded(watcher)


def recorded(watcher: Watcher) -> bytes:
    """All that every record so far holds."""
    watcher.poll()
    return b"".join(
        (message.key() or b"") + (message.value() or b"") + b"".join(value for _, value in message.headers() or [])
        for message in watcher.messages
    )


def test_the_address_is_the_peers_where_no_proxy_is_trusted(
    kafka: KafkaBroker, publisher: Publisher, watcher: Watcher
) -> None:
    tenant = Publisher(publisher.settings, publisher.producer)
    inside = tenant.publish(tenant.webhook("inside", auth={"type": "ip_allowlist", "ip_cidrs": ["127.0.0.1"]}))
    outside = tenant.publish(tenant.webhook("outside", auth={"type": "ip_allowlist", "ip_cidrs": ["198.51.100.0/24"]}))
    with running_ingress(kafka.bootstrap) as ingress:
        answer = await_status(ingress, request(inside, Proof((INSIDE,))), 200)
        facts = RequestFacts.model_validate_json(decode(watcher.delivery(answer.json["delivery_id"]).headers()).request)
        assert facts.source_ip == "127.0.0.1"
        assert ingress.send(request(outside, Proof((INSIDE,)))).status == 401


def test_the_address_behind_a_trusted_proxy_is_in_the_record(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = tenant.publish(tenant.webhook())
    raw = signed(config, BODY, "x-forwarded-for: 192.0.2.1, 198.51.100.7")
    message = watcher.delivery(await_status(ingress, raw, 200).json["delivery_id"])
    assert RequestFacts.model_validate_json(decode(message.headers()).request).source_ip == "198.51.100.7"
