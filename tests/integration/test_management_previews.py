"""Dry runs, previews and trials of filters over the API: what they answer, what is kept of them, and for whom."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.support.management import ManagementBase, bearer
from tests.support.webhook_stage import ALERT, ALERT_MAPPING, create_webhook, send_test

SECRET = "open-sesame-open-sesame"
FILTERS = {"all": [{"field": "$.alert.id", "operator": "equals", "value": "other"}]}


def test_the_last_ten_tests_are_kept_without_what_may_be_a_secret(management_base: ManagementBase) -> None:
    webhook = create_webhook(management_base)
    headers = {"Authorization": SECRET, "X-Proof": SECRET, "X-Api-Key": SECRET, "X-Event": "raised"}
    for number in range(12):
        send_test(
            management_base,
            webhook,
            body={"n": number},
            headers=headers,
            query={"token": SECRET, "n": str(number)},
            dry_run=True,
        )
    kept = management_base.call("GET", f"/inbound-webhooks/{webhook['id']}/tests").json()["data"]
    assert [orjson.loads(test["body"])["n"] for test in kept] == list(range(11, 1, -1))
    assert kept[0]["headers"] == {"x-event": "raised", "content-type": "application/json"}
    assert (kept[0]["method"], kept[0]["query"], kept[0]["dry_run"]) == ("POST", {"n": "11"}, True)
    assert kept[0]["tested_by"]["type"] == "api_key"
    assert kept[0]["answer"]["valid"] is False
    rows = management_base.rows("SELECT * FROM webhook_tests WHERE webhook_id = %s", [webhook["id"]])
    assert len(rows) == 10
    assert SECRET not in str(rows)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"body": {"x": "y" * 200}}, "body"),
        ({"text": "y" * 200}, "text"),
        ({"body": 1, "text": "1"}, "text"),
        ({"body": 1, "method": "GET"}, "method"),
        ({"body": 1, "headers": {"a b": "x"}}, "headers.a b.[key]"),
        ({"body": 1, "headers": {"a": "x\r\ny: z"}}, "headers.a"),
        ({"body": 1, "unknown": 1}, "unknown"),
    ],
)
def test_a_request_that_the_webhook_would_not_take_is_refused_with_its_path(
    management_base: ManagementBase, given: dict[str, Any], path: str
) -> None:
    webhook = create_webhook(management_base, max_body_bytes=100)
    for dry_run in (True, False):
        refused = send_test(management_base, webhook, expected_status=400, **given, dry_run=dry_run)
        assert [problem["path"] for problem in refused["error"]["details"]] == [path]


def test_a_webhook_that_cannot_be_in_force_cannot_be_tested(management_base: ManagementBase) -> None:
    webhook = create_webhook(management_base)
    management_base.write("DELETE FROM webhook_secrets WHERE webhook_id = %s", [webhook["id"]])
    refused = send_test(management_base, webhook, expected_status=409, body=ALERT)
    assert refused["error"]["message"] == "the webhook has no usable configuration: save it again, with a secret"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "test"), ("GET", "tests"), ("POST", "mapping/preview"), ("POST", "filters/test")],
)
def test_tests_are_for_those_who_may_update_and_for_their_own_tenant(
    management_base: ManagementBase, method: str, path: str
) -> None:
    base, webhook = management_base, create_webhook(management_base)
    arguments = {} if method == "GET" else {"json": {"body": {}, "dry_run": True} if path == "test" else {"body": {}}}
    address = f"/inbound-webhooks/{webhook['id']}/{path}"
    reader = bearer(base.new_key("inbound_webhook:read", "inbound_webhook:replay"))
    assert base.call(method, address, headers=reader, **arguments).status_code == 403
    assert base.call(method, address, headers=base.other_tenant.headers, **arguments).status_code == 404
    assert base.call(method, address, headers=bearer(base.new_key("inbound_webhook:update")), **arguments).is_success


def test_a_preview_shows_each_field_with_its_value_type_error_and_paths(management_base: ManagementBase) -> None:
    mapping = {
        "title": "alert.message & ' on ' & $headers.`x-host`",
        "description": "alert.missing",
        "due_date": "alert.message",
        "external_id": "$lookup(alert, 'nothing'",
        "client_id": "$error('no client')",
        "nonsense": "alert.none",
    }
    webhook = create_webhook(management_base)
    shown = management_base.call(
        "POST",
        f"/inbound-webhooks/{webhook['id']}/mapping/preview",
        json={"field_mapping": mapping, "body": ALERT, "headers": {"X-Host": "srv-1"}},
    ).json()
    fields = shown["fields"]
    assert fields["title"] == {
        "value": "Disk full on srv-1",
        "present": True,
        "type_ok": True,
        "error": None,
        "reads": ["$headers.`x-host`", "alert.message"],
    }
    absent = {"value": None, "present": False, "type_ok": None}
    assert fields["description"] == {**absent, "error": None, "reads": ["alert.missing"]}
    assert (fields["due_date"]["present"], fields["due_date"]["type_ok"]) == (True, False)
    assert fields["due_date"]["error"]["message"].startswith("due_date ")
    assert fields["external_id"]["error"]["position"] == len(mapping["external_id"])
    assert fields["external_id"]["reads"] == []
    assert fields["client_id"]["error"]["message"].startswith("no client")
    assert {problem["path"] for problem in shown["problems"]} == {"field_mapping.nonsense"}


def test_a_preview_of_the_saved_mapping_names_required_fields_that_are_missing(management_base: ManagementBase) -> None:
    webhook = create_webhook(management_base)
    path = f"/inbound-webhooks/{webhook['id']}/mapping/preview"
    shown = management_base.call("POST", path, json={"body": {"client": "Acme Ltd"}}).json()
    assert set(shown["fields"]) == set(ALERT_MAPPING)
    assert [problem["path"] for problem in shown["problems"]] == ["field_mapping.title"]
    refused = management_base.call("POST", path, json={"body": {}, "action": "makeCoffee"})
    assert refused.json()["error"]["details"] == [{"path": "action", "message": "no action 'makeCoffee'"}]


def test_filters_are_tried_saved_or_not(management_base: ManagementBase) -> None:
    webhook = create_webhook(management_base, filters=FILTERS)
    path = f"/inbound-webhooks/{webhook['id']}/filters/test"

    def tried(**given: Any) -> Any:
        return management_base.call("POST", path, json={"body": ALERT, **given}).json()

    assert tried() == {"passes": False, "stopped_by": {"path": "filters.all.0", "rule": FILTERS["all"][0]}}
    assert tried(body={"alert": {"id": "other"}}) == {"passes": True, "stopped_by": None}
    assert tried(filters=None)["passes"] is True
    by_header = {"all": [{"field": "headers.X-Event", "operator": "equals", "value": "raised"}]}
    assert tried(filters=by_header, headers={"x-event": "raised"})["passes"] is True
    assert tried(filters=by_header)["passes"] is False
    wrong = tried(filters={"all": [{"field": "$.a", "operator": "about"}, {"field": "", "operator": "exists"}]})
    assert [problem["path"] for problem in wrong["error"]["details"]] == [
        "filters.all.0.operator",
        "filters.all.1.field",
    ]
