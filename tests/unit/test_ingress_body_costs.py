"""What a body of 1 MiB costs the receiver, from the whole request to the producer: under 50 ms, whatever is in it."""

import time
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from infra.presets import load_presets
from infra.webhooks import LiveSecret, Webhook
from ingress.acks import Pending
from ingress.core.http1 import parse_head
from ingress.prepared import PreparedWebhooks
from ingress.receiver import Receiver
from ingress.tally import Tally
from ingress.tracing import continue_or_begin
from schemas.headers import decode
from schemas.records import RequestFacts
from tests.support.hostile_bodies import ACCEPTED, LARGE, REFUSED, cpu_seconds_max
from tests.support.ingress import SECRET, signed
from tests.support.requests import webhook_config

pytestmark = pytest.mark.usefixtures("earlier_objects_left_alone")

#: No plain path, so that the engine reads the body.
KEY = {"type": "jsonata", "value": "title & '!'"}
WEBHOOK = Webhook(
    webhook_config(idempotency_source=KEY, rate_limit_per_minute=60_000), (LiveSecret(SECRET.encode(), None),)
)


class Bridge:
    """Takes everything and keeps the last record."""

    def submit(self, pending: Pending, topic: str, **record: Any) -> bool:
        self.pending, self.record = pending, record
        return True


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


@pytest.fixture
def receiver(bridge: Bridge) -> Receiver:
    """A receiver that knows one webhook; all of its parts are real but the table and the producer."""
    table = SimpleNamespace(ready=True, find=lambda tenant_slug, slug: WEBHOOK)
    return Receiver(
        PreparedWebhooks(table, load_presets(), key_timeout_seconds=0.05, rate_store=None),  # type: ignore[arg-type]
        bridge,  # type: ignore[arg-type]
        Mock(),
        Tally(),
        continue_or_begin,
        trusted_proxies=(),
        failed_proofs_per_minute=120,
    )


def send(receiver: Receiver, body: bytes) -> float:
    """Processor seconds of one request: of this thread alone, for an engine of earlier tests may still merge."""
    head, _, _ = signed(WEBHOOK.config, body).partition(b"\r\n\r\n")
    parsed = parse_head(head + b"\r\n")
    began = time.thread_time()
    decision = receiver.receive(receiver.open(parsed, "192.0.2.1"), body, Mock())
    cost = time.thread_time() - began
    assert isinstance(decision, Pending)
    return cost


@pytest.mark.parametrize("name", [*REFUSED, *ACCEPTED, *LARGE])
def test_a_body_costs_little_and_is_kept_as_it_came(receiver: Receiver, bridge: Bridge, name: str) -> None:
    bodies = REFUSED | LARGE | {name: body for name, (body, _) in ACCEPTED.items()}
    costs = [send(receiver, bodies[name]) for _ in range(3)]
    assert min(costs) < cpu_seconds_max(), costs
    assert bridge.record["value"] == bodies[name]
    headers = decode(bridge.record["headers"])
    is_refused = name in REFUSED
    assert bridge.pending.invalid_json is is_refused
    assert RequestFacts.model_validate_json(headers.request).invalid_json is is_refused
    assert headers.dedupe_key == (None if is_refused else "t!")
