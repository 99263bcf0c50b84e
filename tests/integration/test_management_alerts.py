"""Alerts and alert rules as callers of the API meet them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from management.alerting.core.rules import RULES
from tests.support.events import check_events
from tests.support.management import ManagementBase
from tests.support.webhooks import actions_of, create_webhook, problems_of

Json = dict[str, Any]


def add_alert(base: ManagementBase, *, rule: str = "failure_rate", resolved: bool = False, **members: Any) -> str:
    alert_id = str(uuid.uuid4())
    columns = {"severity": "warning", "webhook_id": None, "raised_at": "2026-01-01T12:00:00Z", **members}
    base.write(
        "INSERT INTO alerts (tenant_id, id, rule, subject, webhook_id, severity, message, raised_at, state, "
        "resolved_at, resolution) VALUES (%s, %s, %s, %s, %s, %s, 'it fails', %s, %s, %s, %s)",
        (
            *(base.tenant.id, alert_id, rule, alert_id, columns["webhook_id"], columns["severity"]),
            columns["raised_at"],
            *(("resolved", "2026-01-01T13:00:00Z", "it is over") if resolved else ("open", None, None)),
        ),
    )
    return alert_id


def listed(base: ManagementBase, **filters: Any) -> list[str]:
    answer = base.call("GET", "/alerts", params={"per_page": 100, **filters})
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["data"]]


def rules(base: ManagementBase, **scope: str) -> dict[str, Json]:
    answer = base.call("GET", "/alert-rules", params=scope)
    assert answer.status_code == 200, answer.text
    assert answer.json()["meta"]["total"] == len(answer.json()["data"])
    return {one["rule"]: one for one in answer.json()["data"]}


def test_alerts_are_listed_newest_first_and_found_by_what_they_are(management_base: ManagementBase) -> None:
    webhook_id = str(uuid.uuid4())
    earlier = add_alert(management_base, raised_at="2026-01-01T10:00:00Z", webhook_id=webhook_id)
    later = add_alert(management_base, rule="sla", raised_at="2026-01-01T11:00:00Z", webhook_id=webhook_id)
    over = add_alert(
        management_base, resolved=True, severity="critical", raised_at="2026-01-01T09:00:00Z", webhook_id=webhook_id
    )
    of_webhook = {"webhook_id": webhook_id}
    assert listed(management_base, **of_webhook) == [later, earlier, over]
    assert listed(management_base, **of_webhook, state="open") == [later, earlier]
    assert listed(management_base, **of_webhook, rule="sla") == [later]
    assert listed(management_base, **of_webhook, severity="critical") == [over]
    assert listed(management_base, **of_webhook, since="2026-01-01T10:00:00Z", until="2026-01-01T11:00:00Z") == [
        earlier
    ]
    assert management_base.call("GET", "/alerts", params={"rule": "unknown"}).status_code == 400


def test_an_alert_is_acknowledged_once_with_an_event_and_an_audit_entry(management_base: ManagementBase) -> None:
    alert_id = add_alert(management_base)
    first = management_base.call("POST", f"/alerts/{alert_id}/acknowledge")
    assert first.status_code == 200
    shown = first.json()
    assert shown["acknowledged_by"]["type"] == "api_key"
    assert shown["state"] == "open"
    again = management_base.call("POST", f"/alerts/{alert_id}/acknowledge")
    assert (again.status_code, again.json()) == (200, shown)
    assert management_base.call("GET", f"/alerts/{alert_id}").json() == shown
    assert actions_of(management_base, alert_id) == ["alert.acknowledged"]
    [event] = [
        row["payload"] for row in management_base.rows("SELECT payload FROM outbox WHERE entity_id = %s", (alert_id,))
    ]
    check_events([event])
    assert (event["type"], event["data"]) == ("alert.acknowledged", shown)


def test_a_resolved_alert_can_no_more_be_acknowledged(management_base: ManagementBase) -> None:
    alert_id = add_alert(management_base, resolved=True)
    answer = management_base.call("POST", f"/alerts/{alert_id}/acknowledge")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert actions_of(management_base, alert_id) == []


def test_every_rule_of_a_tenant_is_shown_with_its_defaults(management_base: ManagementBase) -> None:
    found = rules(management_base)
    assert list(found) == [name for name, rule in RULES.items() if not rule.of_installation]
    for name, shown in found.items():
        assert shown["defaults"] == RULES[name].defaults.model_dump()


def test_parameters_are_changed_for_the_tenant_and_for_a_webhook_and_changed_back(
    management_base: ManagementBase,
) -> None:
    webhook_id = create_webhook(management_base, "tuned")["id"]
    scope = {"webhook_id": webhook_id}

    def put(parameters: Json, **place: str) -> Json:
        body = {"parameters": parameters}
        answer = management_base.call("PUT", "/alert-rules/silence", params=place, json=body)
        assert answer.status_code == 200, answer.text
        shown: Json = answer.json()
        return shown

    of_tenant = put({"chance_max": 0.01, "severity": "critical"})
    assert of_tenant["parameters"]["chance_max"] == 0.01
    of_webhook = put({"chance_max": 0.02}, webhook_id=webhook_id)
    assert (of_webhook["parameters"]["chance_max"], of_webhook["parameters"]["severity"]) == (0.02, "critical")
    assert rules(management_base, **scope)["silence"] == of_webhook
    assert rules(management_base)["silence"] == of_tenant
    put({"chance_max": 0.02}, webhook_id=webhook_id)
    path = "/alert-rules/silence"
    assert management_base.call("DELETE", path, params=scope).status_code == 204
    assert management_base.call("DELETE", path, params=scope).status_code == 404
    assert rules(management_base, **scope)["silence"]["parameters"] == of_tenant["parameters"]
    assert management_base.call("DELETE", path).status_code == 204
    assert rules(management_base)["silence"]["of_tenant"] is None
    assert actions_of(management_base, "silence") == ["alert_rule.updated", "alert_rule.deleted"]
    assert actions_of(management_base, f"silence/{webhook_id}") == ["alert_rule.updated", "alert_rule.deleted"]


@pytest.mark.parametrize(
    ("rule", "parameters", "path", "words"),
    [
        ("failure_rate", {"failed_percent": 0}, "parameters.failed_percent", "must be at least 0.1"),
        ("failure_rate", {"failed_percent": "20"}, "parameters.failed_percent", "failed_percent"),
        ("failure_rate", {"window_minutes": 20}, "parameters.window_minutes", "must be 15, 60 or 360"),
        ("silence", {"chance_max": 1}, "parameters.chance_max", "must be at most 0.05"),
        ("sla", {"refused_min": 5}, "parameters.refused_min", "is not a member here"),
        ("dead_letters", {"severity": "loud"}, "parameters.severity", "must be 'warning' or 'critical'"),
        ("rejections", {"enabled": 1}, "parameters.enabled", "must be true or false"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(
    management_base: ManagementBase, rule: str, parameters: Json, path: str, words: str
) -> None:
    problems = problems_of(management_base.call("PUT", f"/alert-rules/{rule}", json={"parameters": parameters}))
    assert words in problems[path]
    assert rules(management_base)[rule]["of_tenant"] is None


def test_what_is_the_operators_is_no_rule_of_a_tenant(management_base: ManagementBase) -> None:
    answer = management_base.call("PUT", "/alert-rules/data_loss", json={"parameters": {}})
    assert answer.status_code == 400


def test_the_rule_of_the_ledger_is_for_all_webhooks_at_once(management_base: ManagementBase) -> None:
    place = {"webhook_id": create_webhook(management_base, "not-alone")["id"]}
    answer = management_base.call("PUT", "/alert-rules/ledger", params=place, json={"parameters": {"enabled": False}})
    assert "all of a tenant's webhooks" in problems_of(answer)["webhook_id"]


def test_rules_of_anothers_webhook_are_not_there(management_base: ManagementBase) -> None:
    webhook_id = create_webhook(management_base, "not-theirs")["id"]
    other = management_base.other_tenant.headers
    place = {"webhook_id": webhook_id}
    for method, path, body in (
        ("GET", "/alert-rules", None),
        ("PUT", "/alert-rules/sla", {"parameters": {"enabled": False}}),
        ("DELETE", "/alert-rules/sla", None),
    ):
        arguments = {} if body is None else {"json": body}
        answer = management_base.call(method, path, params=place, headers=other, **arguments)
        assert answer.status_code == 404, answer.text
    assert management_base.rows("SELECT FROM alert_rules WHERE webhook_id = %s", (webhook_id,)) == []
