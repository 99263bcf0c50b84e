"""The dashboard and the alert rules name metrics that are there, and every alert leads to a runbook and back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingress.tally import OUTCOMES
from processors.pipeline import OUTCOMES as PROCESSED
from sinks.actions.consumer import OUTCOMES as ACTED
from tests.support.headings import anchors_of
from tests.support.promql import problems_of, selectors
from tools.write_metrics import MARK, PAGE, by_name, labels_by_sample, page

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "ops/prometheus/hookline-alerts.yml").read_text("utf-8"))
DASHBOARD = json.loads((ROOT / "ops/grafana/hookline.json").read_text("utf-8"))
RUNBOOK = ROOT / "docs/runbooks/alerts.md"
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(f"{panel['title']}-{panel['id']}", target["expr"]) for panel in PANELS for target in panel["targets"]]
KNOWN = {**labels_by_sample(), "up": frozenset[str]()}
_DURATION = re.compile(r"[1-9]\d*[smhd]")
_PLACEHOLDER = re.compile(r"\{\{(.+?)\}\}")
_IN_TEXT = re.compile(r"\s*(?:\$labels\.(\w+)|\$value(?: \| (?:humanize|humanizeDuration|humanizePercentage))?)\s*")
#: Labels that a series has by the range of an expression, whatever it adds up.
LABELS_OF_RESULT = re.compile(r"\b(?:by|on) \(([^)]*)\)")
#: The states of the issue for which there must be a rule.
ASKED_FOR = {
    "hookline_group_data_loss_seconds",
    "hookline_group_lost_records",
    "hookline_group_last_commit_timestamp_seconds",
    "hookline_processors_last_commit_timestamp_seconds",
    "hookline_processors_records_total",
    "hookline_actions_applied_total",
    "hookline_analytics_undecodable_records_total",
    "hookline_sla_breaches_total",
    "hookline_ledger_differences",
    "hookline_ledger_last_examined_timestamp_seconds",
    "hookline_ingress_requests_total",
    "hookline_store_away",
    "hookline_part_ready",
}


@pytest.mark.parametrize("name", ALERTS)
def test_a_rule_is_whole_and_names_metrics_that_are_there(name: str) -> None:
    rule = ALERTS[name]
    assert rule.keys() - {"for"} == {"alert", "expr", "labels", "annotations"}
    assert problems_of(rule["expr"], KNOWN) == []
    assert _DURATION.fullmatch(rule.get("for", "1m"))
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert name.startswith("Hookline")


@pytest.mark.parametrize("name", ALERTS)
def test_a_summary_has_words_and_labels_that_its_series_have(name: str) -> None:
    rule = ALERTS[name]
    summary = rule["annotations"]["summary"]
    assert len(_PLACEHOLDER.sub("", summary).split()) >= 3
    kept = {label.strip() for labels in LABELS_OF_RESULT.findall(rule["expr"]) for label in labels.split(",")}
    if not kept and not re.search(r"\b(?:sum|min|max)\(", rule["expr"]):
        kept = {label for one in selectors(rule["expr"]) for label in KNOWN[one.name]} | {"instance"}
    for inside in _PLACEHOLDER.findall(summary):
        match = _IN_TEXT.fullmatch(inside)
        assert match is not None, inside
        assert match[1] is None or match[1] in kept, f"{inside} of {name}"


def test_no_alert_has_anothers_name_and_groups_are_named_once() -> None:
    names = [rule["alert"] for group in RULES["groups"] for rule in group["rules"]]
    assert len(names) == len(set(names)) >= 15
    assert RULES.keys() == {"groups"}
    assert all(group.keys() == {"name", "rules"} for group in RULES["groups"])


def test_every_alert_leads_to_an_entry_that_names_it_and_no_entry_is_without_an_alert() -> None:
    sections = re.split(r"(?m)^## .+$", RUNBOOK.read_text("utf-8"))[1:]
    entries = dict(zip(anchors_of(RUNBOOK), sections, strict=True))
    by_entry = {anchor: set(re.findall(r"`(Hookline\w+)`", text)) for anchor, text in entries.items()}
    led_to: dict[str, set[str]] = {}
    for name, rule in ALERTS.items():
        where, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert where == "docs/runbooks/alerts.md"
        led_to.setdefault(anchor, set()).add(name)
    assert led_to == by_entry
    for text in entries.values():
        assert "**It means.**" in text
        assert "**Look at" in text


def test_there_is_a_rule_on_everything_that_was_asked_for() -> None:
    named = {one.name for rule in ALERTS.values() for one in selectors(rule["expr"])}
    assert named >= ASKED_FOR
    assert ALERTS["HooklineConsumerLosesData"]["annotations"]["summary"].endswith("in {{ $value | humanizeDuration }}")


@pytest.mark.parametrize(("title", "expression"), TARGETS, ids=[title for title, _ in TARGETS])
def test_a_panel_names_metrics_that_are_there(title: str, expression: str) -> None:
    assert problems_of(expression, KNOWN) == [], title


def test_the_dashboard_can_be_imported_anywhere() -> None:
    assert DASHBOARD["schemaVersion"] >= 36
    assert "id" not in DASHBOARD, "the number of another Grafana"
    [source] = DASHBOARD["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references))


def test_every_stage_has_its_panels() -> None:
    shown = {one.name for _, expression in TARGETS for one in selectors(expression)}
    for stage in ("processors", "actions", "analytics"):
        assert {f"hookline_{stage}_lag_records", f"hookline_{stage}_last_commit_timestamp_seconds"} <= shown
    assert shown >= ASKED_FOR


def test_the_values_of_labels_in_rules_and_panels_are_those_of_the_code() -> None:
    outcomes = {
        "hookline_ingress_requests_total": set(OUTCOMES),
        "hookline_processors_records_total": set(PROCESSED),
        "hookline_actions_applied_total": set(ACTED),
    }
    expressions = [rule["expr"] for rule in ALERTS.values()] + [expression for _, expression in TARGETS]
    found = [pair for one in expressions for pair in re.findall(r'(hookline_\w+)\{outcome=~?"([^"]+)"', one)]
    assert len(found) > 5
    for name, values in found:
        assert set(values.split("|")) <= outcomes[name]


def test_the_page_of_metrics_lists_what_the_code_has_and_its_text_names_nothing_else() -> None:
    text = PAGE.read_text("utf-8")
    assert page(text) == text, "run: .venv/bin/python tools/write_metrics.py"
    listed = set(re.findall(r"(?m)^\| `(hookline_\w+)` \| (?:counter|gauge|histogram) ", text))
    assert len(listed) == len(by_name())
    by_hand = text.partition(MARK)[0] + RUNBOOK.read_text("utf-8")
    named = set(re.findall(r"`(hookline_\w+)", by_hand))
    assert len(named) > 20
    assert named <= listed
    with pytest.raises(ValueError, match="lacks the line"):
        page(text.replace(MARK, ""))


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("sum(hookline_group_members", "( is not closed"),
        ("sum(hookline_group_members]) > 0", "] closes nothing"),
        ("max(hookline_group_member)", "hookline_group_member is no metric"),
        ('hookline_group_members{topic="x"}', "hookline_group_members has no label topic"),
        ("sum by (webhook) (hookline_group_members)", "hookline_group_members has no label webhook"),
        ("summe(hookline_group_members)", "summe is not known"),
        ("vector(1)", "no metric is named"),
    ],
)
def test_an_expression_that_cannot_be_right_is_found(expression: str, problem: str) -> None:
    assert problems_of(expression, KNOWN) == [problem]
