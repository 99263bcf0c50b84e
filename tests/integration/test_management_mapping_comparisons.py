"""Two mappings over the last real requests of a webhook, and saves that are refused when more of them would fail."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from hookline.errors import ExitCode
from infra.clickhouse import ClickHouse
from infra.clock import now_us
from management.mapping_comparisons.schemas import SHOWN_MAX
from tests.support.commands import Command, command
from tests.support.delivery_log import DAY_US, LogOf
from tests.support.management import ManagementBase, bearer, management_base
from tests.support.webhooks import create_webhook, get_webhook, problems_of, ticket_handler

__all__ = ["command", "management_base"]

Json = dict[str, Any]
TITLES = ["Disk full", "Disk full", None, "CPU hot"]


@pytest.fixture
def webhook(management_base: ManagementBase) -> Json:
    return create_webhook(management_base, f"compared-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def empty_log(management_base: ManagementBase, clickhouse_engine: ClickHouse, webhook: Json) -> LogOf:
    return LogOf(clickhouse_engine, management_base.tenant, now_us() - DAY_US, webhook["id"])


@pytest.fixture
def log(empty_log: LogOf) -> LogOf:
    """Four requests of the webhook, one of them without a title; and a test, which is not real."""
    for title in TITLES:
        body = {"alert": {"client": "Acme Ltd"} | ({"title": title} if title else {})}
        empty_log.delivery(json.dumps(body).encode())
    empty_log.delivery(b'{"alert":{}}', is_test=True)
    return empty_log


def compare(base: ManagementBase, webhook: Json, **given: Any) -> Any:
    answer = base.call("POST", f"/inbound-webhooks/{webhook['id']}/mapping/compare", json=given)
    assert answer.status_code == 200, answer.text
    return answer.json()


def draft(**mapping: str) -> Json:
    return {"field_mapping": ticket_handler(**mapping)["field_mapping"]}


def test_what_is_masked_in_the_log_and_not_in_kafka_cannot_be_compared(
    management_base: ManagementBase, webhook: Json, empty_log: LogOf
) -> None:
    empty_log.delivery(b'{"alert":{"title":"Disk full","token":"hush-hush"}}')
    found = compare(management_base, webhook, b=draft(title="'new'"))
    assert (found["totals"]["compared"], found["totals"]["not_comparable"]) == (0, {"lost": 1})
    assert (found["error_rate_then"], found["differences"]) == (None, [])


@pytest.mark.usefixtures("log")
def test_differences_and_totals_of_a_draft(management_base: ManagementBase, webhook: Json) -> None:
    mapping = draft(title="alert.title ? $uppercase(alert.title) : 'none'", description="alert.title")
    found = compare(management_base, webhook, b=mapping)
    assert found["totals"] == {
        "compared": 4,
        "different": 4,
        "by_kind": {"fields": 3, "succeeds_now": 1},
        "then": {"dispatched": 3, "failed": 1},
        "now": {"dispatched": 4},
        "fields": {
            "description": {"added": 3, "removed": 0, "changed": 0},
            "title": {"added": 0, "removed": 0, "changed": 3},
        },
        "not_comparable": {},
    }
    assert (found["error_rate_then"], found["error_rate_now"]) == (0.25, 0.0)
    [failing] = found["failures"]
    assert (failing["path"], failing["then"], failing["now"]) == ("field_mapping.title", 1, 0)
    newest = found["differences"][0]
    assert newest["fields"] == [
        {"field": "description", "change": "added", "then": None, "now": "CPU hot"},
        {"field": "title", "change": "changed", "then": "CPU hot", "now": "CPU HOT"},
    ]
    assert found["differences"][1]["then"]["error"]["code"] == "VALIDATION_ERROR"
    assert len(found["differences"]) <= SHOWN_MAX
    assert compare(management_base, webhook, b=mapping, last=2)["totals"]["compared"] == 2
    assert compare(management_base, webhook, b={})["totals"]["different"] == 0


@pytest.mark.usefixtures("log")
def test_versions_are_compared_by_their_numbers(management_base: ManagementBase, webhook: Json) -> None:
    changed = {"handler_config": ticket_handler(title="'fixed'"), "filters": {"all": [{"jsonata": "alert.title"}]}}
    assert management_base.call("PATCH", f"/inbound-webhooks/{webhook['id']}", json=changed).status_code == 200
    found = compare(management_base, webhook, a={"version": 1}, b={"version": 2})
    assert found["totals"]["by_kind"] == {"fields": 3, "filtered_now": 1}
    assert found["differences"][1]["now"]["rule"]["path"] == "filters.all.0"
    answer = management_base.call(
        "POST", f"/inbound-webhooks/{webhook['id']}/mapping/compare", json={"b": {"version": 9}}
    )
    assert answer.status_code == 404


def test_a_draft_that_no_save_would_take_is_refused_with_its_paths(
    management_base: ManagementBase, webhook: Json
) -> None:
    path = f"/inbound-webhooks/{webhook['id']}/mapping/compare"

    def refused(**given: Any) -> dict[str, str]:
        return problems_of(management_base.call("POST", path, json=given))

    assert refused(b={"field_mapping": {"title": "$(", "client_id": "'x'"}}).keys() == {"b.field_mapping.title"}
    config = {"action": "makeCoffee", "field_mapping": {}}
    assert refused(a={"handler_config": config}, b={}).keys() == {"a.handler_config.action"}
    assert "give one of" in refused(b={"version": 1, "field_mapping": {}})["b"]
    assert refused(b={}, last=1_001).keys() == {"last"}


@pytest.mark.usefixtures("log")
def test_a_save_is_refused_that_would_fail_more_real_requests(management_base: ManagementBase, webhook: Json) -> None:
    path, before = f"/inbound-webhooks/{webhook['id']}", get_webhook(management_base, webhook["id"])
    worse = {"handler_config": ticket_handler(due_date="alert.title")}
    for method in ("PUT", "PATCH"):
        body = worse if method == "PATCH" else {**before, **worse}
        answer = management_base.call(method, path, json=body, params={"refuse_if_worse": 50})
        assert answer.status_code == 422, answer.text
        error = answer.json()["error"]
        assert error["code"] == "error_rate_rises"
        assert "of the last 4 real requests 100.0% would fail, 25.0% do so now" in error["message"]
        [problem] = error["details"]
        assert problem["path"] == "handler_config.field_mapping.due_date"
        assert problem["message"].startswith("fails for 3 requests instead of 0: due_date")
    after = get_webhook(management_base, webhook["id"])
    assert (after["version"], after["handler_config"]) == (before["version"], before["handler_config"])
    versions = management_base.rows("SELECT version FROM webhook_versions WHERE webhook_id = %s", [webhook["id"]])
    assert [row["version"] for row in versions] == [1]


@pytest.mark.usefixtures("log")
def test_a_save_passes_that_fails_no_more_requests(management_base: ManagementBase, webhook: Json) -> None:
    path = f"/inbound-webhooks/{webhook['id']}"
    better = {"handler_config": ticket_handler(title="alert.title ? alert.title : 'none'")}
    answer = management_base.call("PATCH", path, json=better, params={"refuse_if_worse": 50})
    assert (answer.status_code, answer.json()["version"]) == (200, 2), answer.text
    assert not [one for one in answer.json()["warnings"] if "compared" in one["message"]]


def test_a_save_that_nothing_can_be_compared_for_passes_and_says_so(
    management_base: ManagementBase, webhook: Json
) -> None:
    changed = {"handler_config": ticket_handler(title="'fixed'")}
    answer = management_base.call(
        "PATCH", f"/inbound-webhooks/{webhook['id']}", json=changed, params={"refuse_if_worse": 50}
    )
    assert answer.json()["version"] == 2
    assert "nothing was refused" in answer.json()["warnings"][-1]["message"]


def test_a_comparison_needs_the_right_to_update(management_base: ManagementBase, webhook: Json) -> None:
    path = f"/inbound-webhooks/{webhook['id']}/mapping/compare"
    reader = bearer(management_base.new_key("inbound_webhook:read", "inbound_webhook:replay"))
    assert management_base.call("POST", path, json={"b": {}}, headers=reader).status_code == 403
    other = management_base.other_tenant.headers
    assert management_base.call("POST", path, json={"b": {}}, headers=other).status_code == 404


@pytest.mark.usefixtures("log")
def test_apply_refuses_a_file_with_which_more_requests_would_fail(
    management_base: ManagementBase, webhook: Json, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "webhook.yaml"
    shown = command("webhooks", "get", webhook["slug"]).output
    file.write_text(shown.replace("title: alert.title", "title: $number(1)"))
    better = command("apply", "-f", file, "--refuse-if-worse", "10")
    assert (better.code, get_webhook(management_base, webhook["id"])["version"]) == (0, 2), better.output
    newest = command("webhooks", "get", webhook["slug"]).output
    file.write_text(newest.replace("$number(1)", "$number(alert.client)"))
    worse = command("apply", "-f", file, "--refuse-if-worse", "10")
    assert worse.code == ExitCode.WORK_FAILED
    assert "handler_config.field_mapping.title: fails for 4 requests instead of 0" in worse.error
    assert get_webhook(management_base, webhook["id"])["version"] == 2
