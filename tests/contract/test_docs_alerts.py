"""docs/alerts.md has every rule with its parameters and defaults, and no other."""

import re
from pathlib import Path
from typing import get_args

from management.alert_rules.schemas import TenantRule
from management.alerting.core.rules import RULES, RuleName, WindowMinutes

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text("utf-8")
_SECTION = re.compile(r"(?ms)^### (\w+)\n(.*?)(?=^##)")
_ROW = re.compile(r"(?m)^\| `(\w+)` \| (\S+) \|")


def test_the_page_has_every_rule_with_its_defaults_and_what_to_do() -> None:
    sections = dict(_SECTION.findall(PAGE))
    assert list(sections) == list(RULES)
    for name, text in sections.items():
        defaults = {member: str(value) for member, value in RULES[name].defaults.model_dump().items()}
        defaults["enabled"] = defaults["enabled"].lower()
        assert dict(_ROW.findall(text)) == defaults, name
        assert "What to do: " in text, name


def test_the_windows_to_choose_from_are_those_of_the_rules() -> None:
    *others, last = get_args(WindowMinutes)
    assert f"`window_minutes` is {', '.join(map(str, others))} or {last}." in PAGE


def test_the_names_of_rules_are_spelt_alike_everywhere() -> None:
    assert get_args(RuleName) == tuple(RULES)
    assert get_args(TenantRule) == tuple(name for name, rule in RULES.items() if not rule.of_installation)
