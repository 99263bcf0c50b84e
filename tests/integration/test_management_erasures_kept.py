"""Erasures of what Postgres keeps of requests beside the log: samples of webhooks, and their last tests."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from management.erasures.work import ErasureWork
from tests.support.analytics import delivery_ids, request_record
from tests.support.erasures import await_status
from tests.support.management import ManagementBase
from tests.support.retention import keep
from tests.support.wait import eventually
from tests.support.webhooks import create_webhook, get_webhook

Json = dict[str, Any]
_SET_SAMPLE = """
UPDATE webhooks SET sample_payload = %s, sample_captured_at = to_timestamp(%s::numeric / 1000000) WHERE id = %s
"""


class Kept:
    """Webhooks of the first tenant, with samples and dry runs."""

    def __init__(self, base: ManagementBase) -> None:
        self.base = base
        self.address = f"{uuid.uuid4().hex[:16]}@x.example"

    def webhook(self) -> str:
        webhook_id: str = create_webhook(self.base, f"kept-{uuid.uuid4().hex[:12]}")["id"]
        return webhook_id

    def body(self, address: str | None = None) -> Json:
        return {"contact": {"email": self.address if address is None else address}}

    def sample(self, body: Json, *, captured_at_us: int | None = None) -> str:
        webhook_id = self.webhook()
        at_us = now_us() if captured_at_us is None else captured_at_us
        self.base.write(_SET_SAMPLE, (orjson.dumps(body).decode(), at_us, webhook_id))
        return webhook_id

    def dry_run(self, webhook_id: str, **request: Any) -> None:
        answer = self.base.call("POST", f"/inbound-webhooks/{webhook_id}/test", json={**request, "dry_run": True})
        assert answer.status_code == 200, answer.text

    def tests(self, webhook_id: str) -> list[str]:
        shown = self.base.call("GET", f"/inbound-webhooks/{webhook_id}/tests").json()["data"]
        return [test["body"] for test in shown]

    def has_sample(self, webhook_id: str) -> bool:
        return bool(get_webhook(self.base, webhook_id)["has_sample_payload"])

    def ask(self, **members: Any) -> Json:
        wanted = {"path": "$.contact.email", "value": self.address, "reason": "art. 17", **members}
        asked: Json = self.base.call("POST", "/erasures", json=wanted).json()
        return asked

    def cleared(self, erasure: Json) -> tuple[int, int]:
        [entry] = [one for one in erasure["receipt"]["cleared"] if one["store"] == "postgres.webhooks"]
        return entry["samples"], entry["tests"]


@pytest.fixture
def kept(management_base: ManagementBase, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setattr(ErasureWork, "look_seconds", 0.05)
    monkeypatch.setattr("management.erasures.work.is_removed", lambda *_: True)
    return Kept(management_base)


def test_samples_and_tests_with_the_value_go_and_no_others(kept: Kept) -> None:
    mine, others = kept.sample(kept.body()), kept.sample(kept.body("bob@x.example"))
    elsewhere = kept.sample({"cc": kept.address})
    form = {"text": f"contact.email={kept.address}", "content_type": "application/x-www-form-urlencoded"}
    kept.dry_run(mine, body=kept.body())
    kept.dry_run(mine, body={"contact": {"email": "bob@x.example"}})
    kept.dry_run(others, text=f'{{"contact": {{"email": "{kept.address}"')  # no JSON: it has the value somewhere
    kept.dry_run(others, **form)
    done = await_status(kept.base, kept.ask()["id"])
    assert kept.cleared(done) == (1, 2)
    assert [kept.has_sample(webhook_id) for webhook_id in (mine, others, elsewhere)] == [False, True, True]
    assert kept.tests(mine) == ['{"contact":{"email":"bob@x.example"}}']
    assert kept.tests(others) == [form["text"]]
    assert "postgres.webhooks" not in [entry["store"] for entry in done["receipt"]["remaining"]]
    rows = kept.base.rows("SELECT request::text FROM webhook_tests UNION ALL SELECT sample_payload::text FROM webhooks")
    assert kept.address in str(rows)  # what is elsewhere
    action = "SELECT actor ->> 'type' AS by FROM audit_entries WHERE resource_id = %s AND action = %s"
    assert kept.base.rows(action, (mine, "inbound_webhook.sample_cleared")) == [{"by": "system"}]


def test_more_than_a_page_of_them_go_and_one_webhook_alone_may_be_meant(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("management.erasures.kept._PAGE_ROWS", 2)
    webhooks = [kept.sample(kept.body()) for _ in range(3)]
    for webhook_id in webhooks:
        for _ in range(3):
            kept.dry_run(webhook_id, body=kept.body())
    one = await_status(kept.base, kept.ask(webhook_id=webhooks[1])["id"])
    assert kept.cleared(one) == (1, 3)
    assert [kept.has_sample(webhook_id) for webhook_id in webhooks] == [True, False, True]
    rest = await_status(kept.base, kept.ask()["id"])
    assert kept.cleared(rest) == (2, 6)
    assert not any(kept.has_sample(webhook_id) or kept.tests(webhook_id) for webhook_id in webhooks)


def test_a_sample_from_before_that_is_kept_late_goes_with_another_receipt_and_a_newer_one_stays(kept: Kept) -> None:
    base = kept.base
    first = await_status(base, kept.ask()["id"])
    assert kept.cleared(first) == (0, 0)
    asked_at_us = base.rows(
        "SELECT (extract(epoch FROM asked_at) * 1000000)::bigint AS us FROM erasures WHERE id = %s", (first["id"],)
    )[0]["us"]
    late = kept.sample(kept.body(), captured_at_us=asked_at_us - 1)
    newer = kept.sample(kept.body(), captured_at_us=asked_at_us)
    base.write("UPDATE erasures SET next_look_at = now() WHERE id = %s", (first["id"],))

    def shown() -> Json:
        erasure: Json = base.call("GET", f"/erasures/{first['id']}").json()
        return erasure

    eventually(lambda: shown()["receipt"]["revision"] == 2, timeout_seconds=60, what="the second receipt")
    assert kept.cleared(shown()) == (1, 0)
    assert shown()["receipt"]["previous_hash"] == first["receipt_hash"]
    assert (kept.has_sample(late), kept.has_sample(newer)) == (False, True)


def test_with_a_deliverys_body_go_the_sample_from_it_and_the_test_that_made_it(
    kept: Kept, clickhouse_engine: ClickHouse
) -> None:
    at_us = now_us()
    [delivery_id] = delivery_ids(1, at_us)
    webhook_id, another = (kept.sample(kept.body(), captured_at_us=at_us) for _ in range(2))
    ids = {"tenant_id": str(kept.base.tenant.id), "webhook_id": webhook_id}
    keep(clickhouse_engine, requests=[request_record(delivery_id, at_us, orjson.dumps(kept.body()), **ids)])
    kept.dry_run(webhook_id, body={"n": 1})
    kept.base.write("UPDATE webhook_tests SET delivery_id = %s WHERE webhook_id = %s", (delivery_id, webhook_id))
    kept.dry_run(webhook_id, body={"n": 2})
    answer = kept.base.call("DELETE", f"/deliveries/{delivery_id}/body")
    done = await_status(kept.base, answer.json()["id"])
    assert kept.cleared(done) == (1, 1)
    assert (kept.has_sample(webhook_id), kept.has_sample(another)) == (False, True)
    assert kept.tests(webhook_id) == ['{"n":2}']
