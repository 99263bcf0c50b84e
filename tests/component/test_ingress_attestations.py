"""A receiver attests what the broker acknowledged to it: each request once, where it lies, also when it is stopped."""

from collections import Counter
from collections.abc import Iterator

import pytest
from confluent_kafka import Message

from hookline.embedded.kafka import KafkaBroker
from infra.clock import HOUR_US
from infra.topics import ACCEPTED, EXPEDITED, RECEIVED
from schemas.records import Attestation, AttestedRequests
from schemas.webhooks import WebhookConfig
from tests.support.ingress import Publisher, Watcher, await_status, headers_of, publishing, running_ingress, signed
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

_RAW = (RECEIVED, EXPEDITED)


@pytest.fixture
def tenant(kafka: KafkaBroker) -> Iterator[Publisher]:
    with publishing(kafka.bootstrap) as publisher:
        yield publisher


@pytest.fixture
def watcher(kafka: KafkaBroker, tenant: Publisher) -> Iterator[Watcher]:
    found = Watcher(kafka.bootstrap, (*_RAW, ACCEPTED))
    yield found
    found.close()


def attested(watcher: Watcher, tenant: Publisher) -> list[AttestedRequests]:
    """Of this tenant, so far."""
    watcher.poll()
    records = [message.value() for message in watcher.messages if message.topic() == ACCEPTED]
    entries = [entry for record in records for entry in Attestation.model_validate_json(record or b"").entries]
    return [entry for entry in entries if entry.tenant_id == tenant.tenant_id]


def _raw(watcher: Watcher, *configs: WebhookConfig) -> list[Message]:
    return [message for config in configs for message in watcher.requests(config) if message.topic() in _RAW]


def place(message: Message) -> tuple[str, int, int]:
    return message.topic(), message.partition(), message.offset()


def test_what_is_attested_is_what_lies_in_the_topics(kafka: KafkaBroker, tenant: Publisher, watcher: Watcher) -> None:
    ordinary = tenant.publish(tenant.webhook("ordinary"))
    urgent = tenant.publish(tenant.webhook("urgent", priority=3))
    with running_ingress(kafka.bootstrap, workers=2) as ingress:
        await_status(ingress, signed(urgent, b"{}"), 200)
        await_status(ingress, signed(ordinary, b"{}"), 200)
        good = 2 + sum(ingress.send(signed(ordinary, b"{}")).status == 200 for _ in range(20))
        assert ingress.send(signed(ordinary, b"{")).status == 400
        assert ingress.stop() == 0
    eventually(
        lambda: sum(entry.accepted + entry.invalid_json for entry in attested(watcher, tenant)) >= good + 1,
        timeout_seconds=20,
        what="everything to be attested",
    )
    entries = attested(watcher, tenant)
    assert sum(entry.accepted for entry in entries) == good
    assert (sum(entry.invalid_json for entry in entries), sum(entry.late for entry in entries)) == (1, 0)

    def all_raw() -> list[Message]:
        found = _raw(watcher, ordinary, urgent)
        return found if len(found) >= good + 1 else []

    raw = eventually(all_raw, timeout_seconds=20, what="every record")
    runs = [
        (entry.topic, entry.partition, first, last)
        for entry in entries
        for first, last in zip(entry.offsets[::2], entry.offsets[1::2], strict=True)
    ]
    places = [(topic, number, offset) for topic, number, a, z in runs for offset in range(a, z + 1)]
    assert Counter(places) == Counter(place(message) for message in raw)
    digest = sum(int(headers_of(message)["hookline-delivery-id"][-12:], 16) for message in raw)
    assert sum(entry.digest for entry in entries) == digest
    hours = {int(headers_of(message)["hookline-received-at"]) // HOUR_US * HOUR_US for message in raw}
    assert {entry.hour for entry in entries} == hours
