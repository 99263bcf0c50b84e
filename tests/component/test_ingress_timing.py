"""What the time of a 401 tells of its cause: nothing. The same statistic finds a difference where there is one."""

import base64
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hookline.embedded.kafka import KafkaBroker
from infra.clock import now_us
from schemas.webhooks import WebhookConfig
from tests.support.ingress import Publisher, RunningIngress, await_status, running_ingress, signature_of, signed
from tests.support.ingress_timing import Timed, judge, summary, time_answers

pytestmark = pytest.mark.proof

BODY = b'{"alert":{"id":"a-1","title":"' + b"x" * 450 + b'"}}'
UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
REQUESTS = 20_007
SEED = 5
#: A verification with a public key takes several times as long as one with a secret.
FAR_APART = ("wrong signature (hmac)", "wrong signature (Ed25519)")


@pytest.fixture(scope="module")
def ingress(kafka: KafkaBroker, publisher: Publisher) -> Iterator[RunningIngress]:
    """A receiver with the pace it has where nothing else is said."""
    with running_ingress(kafka.bootstrap) as running:
        yield running


def request(config: WebhookConfig, *lines: str) -> bytes:
    path = f"/api/inbound/{config.tenant_slug}/{config.slug}"
    head = [f"POST {path} HTTP/1.1", "host: test", f"content-length: {len(BODY)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + BODY


def standard(proof: str) -> tuple[str, str, str]:
    """The headers of Standard Webhooks, with a time that is right and a signature that is not."""
    return ("webhook-id: msg_1", f"webhook-timestamp: {now_us() // 1_000_000}", f"webhook-signature: {proof}")


def refused_requests(tenant: Publisher, ingress: RunningIngress) -> dict[str, bytes]:
    """A request per cause of a 401, every one of them about as long as the others."""
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    public_key = f"whpk_{base64.b64encode(public).decode()}"
    standard_id = str(uuid.uuid4())
    webhooks: dict[str, dict[str, Any]] = {
        "hmac": {},
        "disabled": {"is_active": False},
        "bearer": {"auth": {"type": "bearer"}},
        "address": {"auth": {"type": "ip_allowlist", "ip_cidrs": ["198.51.100.0/24"]}},
        "standard": {
            "auth": {"type": "standard_webhooks"},
            "webhook_id": standard_id,
            "secrets": [tenant.seal(standard_id, f"whsec_{base64.b64encode(bytes(range(32))).decode()}")],
        },
        "ed25519": {"auth": {"type": "standard_webhooks", "public_key": public_key, "secrets": ()}},
    }
    made = {slug: tenant.publish(tenant.webhook(slug, **config)) for slug, config in webhooks.items()}
    last = tenant.publish(tenant.webhook("last"))
    await_status(ingress, signed(last, b"{}"), 200)  # and with it all that were published before
    wrong = f"x-signature: sha256={signature_of(BODY, 'x' * 16)}"
    right = f"x-signature: sha256={signature_of(BODY)}"
    nobody = made["hmac"].model_copy(update={"slug": "unknown"})
    stranger = made["hmac"].model_copy(update={"tenant_slug": "t-unknown0"})
    return {
        "unknown tenant": request(stranger, right),
        "unknown slug": request(nobody, right),
        "disabled": request(made["disabled"], right),
        "missing proof": request(made["hmac"], f"x-signaturx: sha256={signature_of(BODY)}"),
        "wrong signature (hmac)": request(made["hmac"], wrong),
        "wrong bearer": request(made["bearer"], f"authorization: Bearer {'x' * 57}"),
        "wrong signature (standard)": request(
            made["standard"], *standard(f"v1,{base64.b64encode(bytes(32)).decode()}")
        ),
        "wrong signature (Ed25519)": request(made["ed25519"], *standard(f"v1a,{base64.b64encode(bytes(64)).decode()}")),
        "address not allowed": request(made["address"], right),
    }


def test_the_time_of_a_401_does_not_tell_its_cause(ingress: RunningIngress, tenant: Publisher) -> None:
    requests = refused_requests(tenant, ingress)
    time_answers(ingress.port, requests, 20 * len(requests), connections=4, seed=SEED)  # every path has been gone once
    timed = time_answers(ingress.port, requests, REQUESTS, connections=32, seed=SEED)
    assert len(timed.seconds) == REQUESTS
    assert timed.answers == {UNAUTHORIZED}
    assert min(timed.seconds) >= 0.010
    verdict = judge(timed, seed=SEED)
    print(f"{len(timed.seconds)} refusals: {verdict}\n{summary(timed)}")  # noqa: T201 - the figure is a result
    assert verdict.worst[1] < verdict.bound


def test_without_the_pace_the_same_statistic_tells_causes_apart(
    kafka: KafkaBroker, publisher: Publisher, tenant: Publisher
) -> None:
    with running_ingress(kafka.bootstrap, refusal_pace_milliseconds=0) as ingress:
        requests = refused_requests(tenant, ingress)
        two = {cause: requests[cause] for cause in FAR_APART}
        time_answers(ingress.port, two, 100, connections=1, seed=SEED)
        timed: Timed = time_answers(ingress.port, two, 1_000, connections=1, seed=SEED)
    verdict = judge(timed, seed=SEED)
    print(f"without a pace: {verdict}\n{summary(timed)}")  # noqa: T201
    assert verdict.worst[1] > verdict.bound
