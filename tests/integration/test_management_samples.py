"""Sample capture on real records: which body becomes the sample, once, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import SecretStr

from hookline.embedded.postgres import PostgresServer
from infra.clickhouse import ClickHouse
from infra.clock import now_us, rfc3339_of
from infra.ids import uuid7_text
from infra.kafka import Outbox, PolledProducer
from infra.migrations import migrate
from infra.postgres import open_pool
from infra.topics import EXPEDITED, RECEIVED
from management.webhook_samples.repository import SampleRepository
from management.webhook_samples.schemas import SAMPLE_BYTES_MAX, Sample
from schemas import headers as record_headers
from schemas.headers import DeliveryHeaders
from schemas.keys import request_key
from schemas.records import RequestFacts
from tests.support.management import KnownTenant, ManagementBase, bearer, make_tenant, owner_of, running_management
from tests.support.stack import new_database
from tests.support.wait import eventually
from tests.support.webhook_stage import create_webhook

WAIT_SECONDS = 40.0


@dataclass
class Sender:
    """Writes requests as the receiver does."""

    base: ManagementBase
    producer: PolledProducer

    def send(
        self,
        webhook: dict[str, Any],
        *bodies: bytes,
        received_at_us: int | None = None,
        topic: str = RECEIVED,
        tenant: KnownTenant | None = None,
        is_test: bool = False,
    ) -> None:
        """One request per body, one after the other, acknowledged."""
        tenant_id = str((tenant or self.base.tenant).id)
        for body in bodies:
            at_us = received_at_us or now_us()
            delivery_id = uuid7_text(at_us)
            facts = RequestFacts(method="POST", path="/", source_ip="10.0.0.1", content_type="application/json")
            headers = DeliveryHeaders(
                delivery_id,
                tenant_id,
                webhook["id"],
                1,
                at_us,
                facts.model_dump_json().encode(),
                is_test=is_test,
            )
            outbox = Outbox(self.producer)
            outbox.send(
                topic,
                key=request_key(tenant_id, webhook["id"], delivery_id),
                value=body,
                headers=record_headers.encode(headers),
                timestamp=at_us // 1_000,
            )
            outbox.wait(20)


@pytest.fixture(scope="module")
def sender(management_base: ManagementBase) -> Iterator[Sender]:
    producer = PolledProducer(management_base.settings.kafka, client_id="test", ack_timeout_seconds=20)
    yield Sender(management_base, producer)
    producer.close(5)


@pytest.fixture
def webhook(management_base: ManagementBase) -> dict[str, Any]:
    return create_webhook(management_base)


def open_capture(base: ManagementBase, webhook: dict[str, Any]) -> str:
    answer = base.call("POST", f"/inbound-webhooks/{webhook['id']}/capture-sample")
    assert answer.status_code == 200, answer.text
    expires_at: str = answer.json()["sample_capture_expires_at"]
    return expires_at


def state(base: ManagementBase, webhook: dict[str, Any]) -> dict[str, Any]:
    """The sample and the capture as they are stored."""
    [row] = base.rows(
        "SELECT sample_payload::text AS sample, sample_captured_at, sample_capture_started_at AS started_at, "
        "sample_capture_expires_at AS expires_at, version FROM webhooks WHERE id = %s",
        [webhook["id"]],
    )
    return row


def await_end(base: ManagementBase, webhook: dict[str, Any]) -> str | None:
    """The sample, once the capture has ended."""
    eventually(
        lambda: state(base, webhook)["expires_at"] is None, timeout_seconds=WAIT_SECONDS, what="the capture to end"
    )
    sample: str | None = state(base, webhook)["sample"]
    return sample


def audited(base: ManagementBase, webhook: dict[str, Any]) -> list[str]:
    rows = base.rows(
        "SELECT action FROM audit_entries WHERE resource_id = %s AND action ~ '[.]sample_' ORDER BY id",
        [webhook["id"]],
    )
    return [row["action"].removeprefix("inbound_webhook.") for row in rows]


def set_capture(base: ManagementBase, webhook: dict[str, Any], *, began_seconds_ago: int) -> None:
    """As if a capture had been opened at that time."""
    base.write(
        "UPDATE webhooks SET sample_capture_started_at = now() - make_interval(secs => %s), "
        "sample_capture_expires_at = now() - make_interval(secs => %s) + interval '5 minutes' WHERE id = %s",
        [began_seconds_ago, began_seconds_ago, webhook["id"]],
    )


def test_the_next_body_becomes_the_sample_and_those_after_it_do_not(
    management_base: ManagementBase, sender: Sender, webhook: dict[str, Any]
) -> None:
    sender.send(webhook, b'{"n": 0}')
    open_capture(management_base, webhook)
    sender.send(webhook, b'{"n": 1}', b'{"n": 2}', b'{"n": 3}')
    assert await_end(management_base, webhook) == '{"n": 1}'
    sender.send(webhook, b'{"n": 4}')
    assert audited(management_base, webhook) == ["sample_capture_opened", "sample_captured"]
    shown = management_base.call("GET", f"/inbound-webhooks/{webhook['id']}").json()
    assert (shown["sample_payload"], shown["version"], shown["sample_capture_expires_at"]) == ({"n": 1}, 1, None)
    assert shown["sample_captured_at"] is not None


def test_a_new_capture_takes_the_place_of_an_older_sample(
    management_base: ManagementBase, sender: Sender, webhook: dict[str, Any]
) -> None:
    for body in (b'{"n": 1}', b"[2]"):
        open_capture(management_base, webhook)
        sender.send(webhook, body, topic=EXPEDITED)
        assert await_end(management_base, webhook) == body.decode()


def test_tests_and_other_webhooks_and_other_tenants_are_passed_over(
    management_base: ManagementBase, sender: Sender, webhook: dict[str, Any]
) -> None:
    open_capture(management_base, webhook)
    sender.send(webhook, b'"a test"', is_test=True)
    sender.send(webhook, b'"of another tenant"', tenant=management_base.other_tenant)
    sender.send(create_webhook(management_base), b'"of another webhook"')
    sender.send(webhook, b"no json", b'"mine"')
    assert await_end(management_base, webhook) == '"mine"'


def test_captures_of_two_tenants_at_once_find_each_its_own(management_base: ManagementBase, sender: Sender) -> None:
    base, other = management_base, management_base.other_tenant
    theirs = ManagementBase(base.dsn, base.owner, base.settings, base.api, other, base.tenant)
    webhooks = [(base, create_webhook(base)), (theirs, create_webhook(theirs))]
    for owner, webhook in webhooks:
        open_capture(owner, webhook)
    for owner, webhook in webhooks:
        sender.send(webhook, orjson.dumps(owner.tenant.slug), tenant=owner.tenant)
    assert [await_end(owner, webhook) for owner, webhook in webhooks] == ['"acme"', '"globex"']


def test_the_first_received_wins_though_it_was_not_written_first(
    management_base: ManagementBase, sender: Sender, webhook: dict[str, Any]
) -> None:
    """Everything is in the topics, in several partitions, before the capture is made to have been open at that time."""
    at_us = now_us() - 60_000_000
    for after in (900, 700, 500, 300, 800, 600, 400):
        sender.send(webhook, b"%d" % after, received_at_us=at_us + after, topic=EXPEDITED if after == 300 else RECEIVED)
    set_capture(management_base, webhook, began_seconds_ago=100)
    assert await_end(management_base, webhook) == "300"


def test_a_capture_ends_after_five_minutes_and_what_comes_later_is_not_taken(
    management_base: ManagementBase, sender: Sender, webhook: dict[str, Any]
) -> None:
    management_base.write("UPDATE webhooks SET sample_payload = '\"old\"' WHERE id = %s", [webhook["id"]])
    expires_at = open_capture(management_base, webhook)
    row = state(management_base, webhook)
    assert (row["expires_at"] - row["started_at"]).total_seconds() == 300
    assert expires_at == rfc3339_of(row["expires_at"])
    set_capture(management_base, webhook, began_seconds_ago=330)
    sender.send(webhook, b'"late"')
    assert await_end(management_base, webhook) == '"old"'
    assert audited(management_base, webhook) == ["sample_capture_opened", "sample_capture_expired"]


def test_of_three_processes_that_look_at_once_one_writes(
    management_base: ManagementBase, sender: Sender, clickhouse_engine: ClickHouse
) -> None:
    base = management_base
    webhooks = [create_webhook(base) for _ in range(5)]
    with running_management(base.settings, clickhouse_engine), running_management(base.settings, clickhouse_engine):
        for webhook in webhooks:
            open_capture(base, webhook)
            sender.send(webhook, orjson.dumps(webhook["slug"]), b'"second"')
        samples = [await_end(base, webhook) for webhook in webhooks]
    assert samples == [f'"{webhook["slug"]}"' for webhook in webhooks]
    assert [audited(base, webhook)[1:] for webhook in webhooks] == [["sample_captured"]] * 5


def test_a_body_received_between_two_processes_is_found(
    management_base: ManagementBase, postgres: PostgresServer, clickhouse_engine: ClickHouse
) -> None:
    """The capture is opened through one, which then ends; the other begins after the body was received."""
    with new_database(postgres.dsn) as dsn, owner_of(dsn) as owner:
        migrate(dsn)
        settings = management_base.settings.model_copy(
            update={"postgres": management_base.settings.postgres.model_copy(update={"dsn": SecretStr(dsn)})}
        )
        tenant = make_tenant(dsn, "acme")
        with running_management(settings, clickhouse_engine) as api:
            base = ManagementBase(dsn, owner, settings, api, tenant, tenant)
            webhook = create_webhook(base)
            open_capture(base, webhook)
        producer = PolledProducer(settings.kafka, client_id="test", ack_timeout_seconds=20)
        Sender(base, producer).send(webhook, b'"while nobody looked"', b'"later"')
        producer.close(5)
        with running_management(settings, clickhouse_engine):
            assert await_end(base, webhook) == '"while nobody looked"'


def test_a_body_received_in_time_is_found_though_nobody_looked_until_the_time_was_over(
    management_base: ManagementBase, sender: Sender, webhook: dict[str, Any]
) -> None:
    sender.send(webhook, b'"in time"', received_at_us=now_us() - 400_000_000)
    set_capture(management_base, webhook, began_seconds_ago=500)
    assert await_end(management_base, webhook) == '"in time"'


def test_a_body_that_is_too_large_ends_the_capture_and_the_audit_log_says_why(
    management_base: ManagementBase, sender: Sender, webhook: dict[str, Any]
) -> None:
    open_capture(management_base, webhook)
    sender.send(webhook, b'"' + b"x" * SAMPLE_BYTES_MAX + b'"', b'"small"')
    assert await_end(management_base, webhook) is None
    [entry] = management_base.rows(
        "SELECT after FROM audit_entries WHERE resource_id = %s AND action = 'inbound_webhook.sample_refused'",
        [webhook["id"]],
    )
    assert (
        entry["after"]["message"] == f"the body has {SAMPLE_BYTES_MAX + 2} bytes, a sample at most {SAMPLE_BYTES_MAX}"
    )


def test_a_capture_is_written_once_and_json_that_postgres_refuses_is_no_fault_of_the_worker(
    management_base: ManagementBase, webhook: dict[str, Any]
) -> None:
    pool = open_pool(management_base.settings.postgres)
    try:
        repository = SampleRepository(pool)
        far = "UPDATE webhooks SET sample_capture_started_at = now() + interval '1 day', sample_capture_expires_at = "
        management_base.write(far + "now() + interval '2 days' WHERE id = %s", [webhook["id"]])
        [capture] = [one for one in repository.captures() if one.webhook_id == UUID(webhook["id"])]
        sample = Sample(now_us(), uuid7_text(now_us()), 1, "{")
        assert repository.keep(capture._replace(started_at=capture.expires_at), sample) is False
        assert repository.keep(capture, sample) is True
        assert repository.keep(capture, sample._replace(json_text="1")) is False
        assert repository.expire(capture) is False
    finally:
        pool.close()
    assert state(management_base, webhook)["sample"] is None
    assert audited(management_base, webhook) == ["sample_refused"]


def test_clearing_ends_the_capture_and_deletes_the_sample(
    management_base: ManagementBase, sender: Sender, webhook: dict[str, Any]
) -> None:
    path = f"/inbound-webhooks/{webhook['id']}/capture-sample"
    assert management_base.call("DELETE", path).status_code == 204
    open_capture(management_base, webhook)
    sender.send(webhook, b"1")
    assert await_end(management_base, webhook) == "1"
    open_capture(management_base, webhook)
    assert management_base.call("DELETE", path).status_code == 204
    row = state(management_base, webhook)
    assert (row["sample"], row["sample_captured_at"], row["expires_at"], row["version"]) == (None, None, None, 1)
    opened, captured = "sample_capture_opened", "sample_captured"
    assert audited(management_base, webhook) == [opened, captured, opened, "sample_cleared"]


def test_captures_are_for_those_who_may_update_and_for_their_own_tenant(
    management_base: ManagementBase, webhook: dict[str, Any]
) -> None:
    path = f"/inbound-webhooks/{webhook['id']}/capture-sample"
    reader = bearer(management_base.new_key("inbound_webhook:read"))
    for method in ("POST", "DELETE"):
        assert management_base.call(method, path, headers=reader).status_code == 403
        assert management_base.call(method, path, headers=management_base.other_tenant.headers).status_code == 404
    assert state(management_base, webhook)["expires_at"] is None
