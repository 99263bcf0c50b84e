"""The live stream of deliveries over HTTP and the real Kafka: nothing missed, nothing twice, nobody else's."""

import asyncio
import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from infra.clock import now_us
from infra.ids import uuid7_text
from infra.kafka import Outbox, PolledProducer
from infra.topics import RECORDED
from management.delivery_stream import listeners, service
from schemas.records import DeliveryRecord, DispatchStatus
from tests.support.management import API, KnownTenant, ManagementBase, bearer, make_tenant
from tests.support.wait import eventually
from tests.support.webhooks import create_webhook

_WAIT_SECONDS = 30.0
_PATH = "/deliveries/stream"
Event = dict[str, Any]
Say = Callable[..., list[str]]


@pytest.fixture(scope="module")
def say(management_base: ManagementBase) -> Iterator[Say]:
    """Records outcomes of deliveries, and gives their ids."""
    producer = PolledProducer(management_base.settings.kafka, client_id="test", ack_timeout_seconds=30)

    def record(tenant: KnownTenant, number: int, **members: Any) -> list[str]:
        ids = [uuid7_text(now_us() + index) for index in range(number)]
        outbox = Outbox(producer)
        for delivery_id in ids:
            given = {"webhook_id": str(uuid.uuid4()), "dispatch_status": DispatchStatus.DISPATCHED, **members}
            one = DeliveryRecord(
                delivery_id=delivery_id,
                tenant_id=str(tenant.id),
                received_at=now_us(),
                recorded_at=now_us(),
                stage="actions",
                **given,
            )
            outbox.send(RECORDED, key=delivery_id.encode(), value=one.model_dump_json().encode())
        outbox.wait(30)
        return ids

    yield record
    producer.close(5)


@contextmanager
def listening(
    base: ManagementBase, path: str = _PATH, *, key: str | None = None, last_event_id: str | None = None
) -> Iterator["Heard"]:
    """A stream that is open; its first id is there."""
    headers = {**(base.tenant.headers if key is None else bearer(key)), "Accept": "text/event-stream"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    with base.api.stream("GET", API + path, headers=headers, timeout=_WAIT_SECONDS) as answer:
        assert answer.status_code == 200, answer.read()
        heard = Heard(answer)
        heard.next_block()
        yield heard


class Heard:
    """What a listener has heard."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()
        self.last_id: str | None = None

    def next_block(self) -> Event:
        block: Event = {}
        for line in self._lines:
            if not line:
                break
            name, _, value = line.partition(": ")
            block[name] = value
        self.last_id = block.get("id", self.last_id)
        return block

    def events(self, number: int) -> list[Event]:
        """The next events; ids alone are passed over."""
        found: list[Event] = []
        while len(found) < number:
            block = self.next_block()
            if "event" in block:
                found.append({**orjson.loads(block["data"]), "event": block["event"]})
        return found

    def ids(self, number: int) -> list[str]:
        return [event["delivery_id"] for event in self.events(number)]


def test_a_change_is_heard_by_its_tenant_alone(management_base: ManagementBase, say: Say) -> None:
    base = management_base
    with listening(base) as mine, listening(base, key=base.other_tenant.admin_key) as theirs:
        of_mine, of_theirs = say(base.tenant, 20), say(base.other_tenant, 20)
        [last_mine], [last_theirs] = say(base.tenant, 1), say(base.other_tenant, 1)
        assert sorted(mine.ids(21)) == sorted([*of_mine, last_mine])
        assert sorted(theirs.ids(21)) == sorted([*of_theirs, last_theirs])


def test_who_comes_back_hears_all_that_was_missed_once(management_base: ManagementBase, say: Say) -> None:
    base = management_base
    sent: list[str] = []
    with listening(base) as first:
        sent += say(base.tenant, 10)
        say(base.other_tenant, 5)
        heard = first.ids(7)
        place = first.last_id
    sent += say(base.tenant, 30)
    for _ in range(2):
        with listening(base, last_event_id=place) as again:
            sent += say(base.tenant, 10)
            heard += again.ids(20)
            place = again.last_id
    with listening(base, last_event_id=place) as rest:
        heard += rest.ids(len(sent) - len(heard))
    assert sorted(heard) == sorted(sent)


def test_a_filter_holds_for_what_is_new_and_for_what_was_missed(management_base: ManagementBase, say: Say) -> None:
    base = management_base
    webhook_id = create_webhook(base, "streamed")["id"]
    path = f"/inbound-webhooks/{webhook_id}/deliveries/stream?dispatch_status=failed"
    failed = {"webhook_id": webhook_id, "dispatch_status": DispatchStatus.FAILED}
    with listening(base, path) as heard:
        say(base.tenant, 3)
        say(base.tenant, 3, webhook_id=webhook_id)
        wanted = say(base.tenant, 2, **failed)
        assert sorted(heard.ids(2)) == sorted(wanted)
        place = heard.last_id
    say(base.tenant, 3)
    missed = say(base.tenant, 2, **failed)
    with listening(base, path, last_event_id=place) as again:
        assert sorted(again.ids(2)) == sorted(missed)
    assert base.call("GET", f"/inbound-webhooks/{uuid.uuid4()}/deliveries/stream").status_code == 404


def test_a_revoked_key_ends_its_stream(management_base: ManagementBase, monkeypatch: pytest.MonkeyPatch) -> None:
    base = management_base
    monkeypatch.setattr(service, "ACCESS_SECONDS", 0.1)
    key = base.new_key("delivery:read")
    with listening(base, key=key) as heard:
        digest = hashlib.sha256(key.encode()).digest()
        base.write("UPDATE api_keys SET revoked_at = now() WHERE key_hash = %s", (digest,))
        assert heard.events(1) == [{"event": "end", "reason": "access"}]


def test_a_slow_listener_is_cut_off_and_loses_nothing(
    management_base: ManagementBase, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = management_base
    monkeypatch.setattr(listeners, "QUEUED_CHANGES_MAX", 3)
    going_on = threading.Event()
    wait = listeners.Listener.take

    async def late(self: listeners.Listener, timeout_seconds: float) -> list[listeners.Change]:
        while not going_on.is_set() and self.ended is None:
            await asyncio.to_thread(going_on.wait, 0.01)
        return await wait(self, timeout_seconds)

    monkeypatch.setattr(listeners.Listener, "take", late)
    with listening(base) as heard:
        sent = say(base.tenant, 20)
        found = heard.events(1)
        while found[-1]["event"] == "delivery":
            found += heard.events(1)
        assert found[-1] == {"event": "end", "reason": "slow"}
        place = heard.last_id
    going_on.set()
    monkeypatch.setattr(listeners, "QUEUED_CHANGES_MAX", 1_000)
    with listening(base, last_event_id=place) as again:
        rest = again.ids(21 - len(found))
    assert sorted([*(event["delivery_id"] for event in found[:-1]), *rest]) == sorted(sent)


def test_streams_of_one_tenant_are_bounded(management_base: ManagementBase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tenants of its own: what earlier tests closed a moment ago may still count for theirs."""
    tenant, other_tenant = (make_tenant(management_base.dsn, slug) for slug in ("bounded", "bounded-apart"))
    base = replace(management_base, tenant=tenant, other_tenant=other_tenant)
    monkeypatch.setattr(service, "TENANT_LISTENERS_MAX", 1)
    accept = {**tenant.headers, "Accept": "text/event-stream"}
    with listening(base):
        assert base.call("GET", _PATH, headers=accept).status_code == 429
        with listening(base, key=other_tenant.admin_key):
            pass

    def opens() -> bool:
        with base.api.stream("GET", API + _PATH, headers=accept) as answer:
            return answer.status_code == 200

    eventually(opens, timeout_seconds=_WAIT_SECONDS, what="the closed stream has made room")


@pytest.mark.parametrize("last_event_id", ["x", "abc.1.2.", "AAAA.-1", "1", "'; DROP", "a" * 100 + ".1"])
def test_an_id_that_is_none_is_refused(management_base: ManagementBase, last_event_id: str) -> None:
    headers = {**management_base.tenant.headers, "Accept": "text/event-stream", "Last-Event-ID": last_event_id}
    answer = management_base.call("GET", _PATH, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["path"] == "Last-Event-ID"


def test_an_answer_without_an_end_is_given_only_to_who_asks_for_it(management_base: ManagementBase) -> None:
    assert management_base.call("GET", _PATH).status_code == 406
