"""docs/webhooks.md and docs/actions.md do what they say: their bodies are sent in order, to the webhooks made first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookline.seed import seed_demo
from schemas.actions import EXTERNAL_IDS_OF, ON_DUPLICATE, ON_EXISTING
from tests.support.action_matrix import word_of
from tests.support.actions import ActionBase, request_of
from tests.support.documented import Call, Sent, mapped_fields, steps_of, with_ids
from tests.support.management import ManagementBase, bearer, management_base
from tests.support.webhooks import add_ticket_entities, get_webhook

__all__ = ["management_base"]

OPTIONS = (EXTERNAL_IDS_OF.name, ON_DUPLICATE.name, ON_EXISTING.name)


def test_every_body_of_the_page_is_answered_as_the_page_says(management_base: ManagementBase) -> None:
    add_ticket_entities(management_base, management_base.tenant.id)
    webhook_id = ""
    for call in steps_of("webhooks.md"):
        assert isinstance(call, Call)
        path = call.path.replace("{id}", webhook_id)
        answer = management_base.call(call.method, path, json=json.loads(call.body))
        assert answer.status_code == call.status, (call.body, answer.text)
        if call.answer is not None:
            assert answer.json() == json.loads(call.answer)
        if answer.status_code == 201 and not webhook_id:
            webhook_id = answer.json()["id"]
    shown = get_webhook(management_base, webhook_id)
    assert (shown["name"], shown["priority"], shown["filters"]) == ("RMM alerts, urgent", 3, None)
    assert shown["auth_config"]["signature_header"] == "X-RMM-Signature"
    assert shown["auth_config"]["ip_cidrs"] == ["192.0.2.0/24"]
    assert shown["handler_config"]["on_existing"] == "ignore"
    assert set(shown["handler_config"]["field_mapping"]) == {"external_id", "title", "client_id", "description"}
    assert shown["previous_secret_valid_until"] is not None
    assert shown["version"] == 4


class DemoTenant:
    """The demo tenant, as the page of actions has its admin make webhooks and its senders post to them."""

    def __init__(self, management: ManagementBase) -> None:
        tenant = seed_demo(management.dsn)
        assert tenant.admin_api_key is not None
        self.base = ActionBase(management.dsn, tenant)
        self._management = management
        self._headers = bearer(tenant.admin_api_key)
        self._webhooks: dict[str, Any] = {}

    def do(self, step: Call | Sent) -> None:
        """Make a call, which has to be answered as the page says; or take in a request, with the outcome it says."""
        if isinstance(step, Call):
            body = with_ids(step.body, self._id_of)
            answer = self._management.call(step.method, step.path, json=body, headers=self._headers)
            assert answer.status_code == step.status, (step.body, answer.text)
            self._webhooks[body.get("slug", "")] = answer.json()
            return
        webhook = self._webhooks[step.slug]
        handler = webhook["handler_config"]
        request = request_of(
            self.base,
            handler["action"],
            mapped_fields(handler, json.loads(step.body)),
            webhook_id=webhook["id"],
            options={name: handler[name] for name in OPTIONS if handler.get(name) is not None},
        )
        (outcome,) = self.base.run(request)
        assert word_of(outcome) == step.outcome, (step.body, outcome.body)

    def _id_of(self, name: str) -> str:
        webhook = self._webhooks.get(name)
        return str(self.base.tenant.ids[name] if webhook is None else webhook["id"])


@pytest.fixture(scope="module")
def demo(management_base: ManagementBase) -> DemoTenant:
    return DemoTenant(management_base)


def test_every_webhook_of_the_page_of_actions_does_what_the_page_says(demo: DemoTenant) -> None:
    for step in steps_of("actions.md"):
        demo.do(step)
    base, ids = demo.base, demo.base.tenant.ids
    (ticket,) = base.rows("SELECT * FROM tickets WHERE tenant_id = %s", [base.tenant.tenant_id])
    assert (ticket["status_id"], ticket["priority_id"]) == (ids["closed"], ids["high"])
    assert (ticket["title"], ticket["attributes"]) == ("srv-01: Disk nearly full", {"severity": 2, "sensor": "C:"})
    assert [row["asset_id"] for row in base.rows("SELECT asset_id FROM ticket_assets")] == [ids["asset"]]
    acme = base.rows("SELECT name, phone_no FROM clients WHERE id = %s", [ids["client"]])
    assert acme == [{"name": "ACME LTD", "phone_no": "+44 20 7946"}]
    (contact,) = base.rows(
        "SELECT c.name FROM contacts AS p JOIN clients AS c ON c.id = p.client_id AND p.full_name = 'Lea Birch'"
    )
    assert contact["name"] == "Birch & Sons"
    (invoice,) = base.rows("SELECT status, payment_reference FROM invoices")
    assert invoice == {"status": "paid", "payment_reference": "SEPA 4711"}
    (entry,) = base.rows("SELECT ticket_id, duration_minutes FROM time_entries")
    assert entry == {"ticket_id": ticket["id"], "duration_minutes": 90}
    assert base.rows("SELECT status_id, estimated_hours FROM project_tasks") == [
        {"status_id": ids["done"], "estimated_hours": 1.5}
    ]
    assert base.rows("SELECT tag_text FROM tags") == [{"tag_text": "Recurring"}]
