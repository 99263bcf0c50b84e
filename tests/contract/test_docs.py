"""The docs are held to the code: commands, links, settings, metrics, words and the example of the demonstration."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from hookline.cli import app
from hookline.management_client import ApiAddress
from infra import metrics
from infra.settings import Settings
from infra.topics import load_topics
from schemas.actions import ActionContext, Transaction
from tools import write_actions
from tools.list_settings import PAGE, page, variables

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
BY_PAGE = pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
SHELL_BLOCK = re.compile(r"```sh\n(.*?)```", re.S)
CODE = re.compile(r"```.*?```", re.S)


def make_targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text("utf-8")))


def shell_lines(text: str) -> Iterator[list[str]]:
    """Commands of the fenced shell blocks."""
    for block in SHELL_BLOCK.findall(text):
        yield from (shlex.split(line, comments=True) for line in block.splitlines() if line.strip())


def command_of(arguments: list[str]) -> list[str]:
    """The words that name a command: `webhooks test` of `webhooks test rmm-alerts --dry-run`."""
    found: list[str] = []
    commands = getattr(get_command(app), "commands")  # noqa: B009  # not in the type's declaration
    while len(found) < len(arguments) and arguments[len(found)] in commands:
        found.append(arguments[len(found)])
        commands = getattr(commands[found[-1]], "commands", {})
    return found


@BY_PAGE
def test_every_link_leads_to_a_file_that_is_there(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", CODE.sub("", path.read_text("utf-8"))):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{target} is not there"


@BY_PAGE
def test_every_make_command_is_a_target(path: Path) -> None:
    mentioned = set(re.findall(r"(?:`|^)make ([a-z]+)", path.read_text("utf-8"), re.M))
    assert mentioned <= make_targets()


@BY_PAGE
def test_every_hookline_command_exists(path: Path) -> None:
    commands = set(getattr(get_command(app), "commands"))  # noqa: B009  # not in the type's declaration
    mentioned = set(re.findall(r"`(?:\.venv/bin/)?hookline ([a-z]+(?:-[a-z]+)*)", path.read_text("utf-8")))
    assert mentioned <= commands


@BY_PAGE
def test_commands_in_shell_blocks_run_what_is_there(path: Path) -> None:
    runner = CliRunner()
    for program, *arguments in shell_lines(path.read_text("utf-8")):
        if program == "make":
            assert arguments[0] in make_targets()
        else:
            assert program == ".venv/bin/hookline"
            result = runner.invoke(app, [*command_of(arguments), "--help"])
            assert result.exit_code == 0
            for option in (argument for argument in arguments if argument.startswith("--")):
                assert option in result.output


@BY_PAGE
def test_settings_metrics_and_topics_are_spelt_as_in_the_code(path: Path) -> None:
    text = path.read_text("utf-8")
    known = set(variables()) | {"HOOKLINE_MASTER_KEY", "HOOKLINE_CI_RUN", "HOOKLINE_TEST_SEED", "HOOKLINE_WRITE_MATRIX"}
    known |= {"HOOKLINE_WRITE_LEDGER"}
    known |= {f"HOOKLINE_API_{member.upper()}" for member in ApiAddress.model_fields}
    assert set(re.findall(r"\bHOOKLINE_[A-Z_]*[A-Z]\b", text)) <= known
    exported = set(re.findall(r"(?m)^# TYPE (\w+)", metrics.render().decode()))
    assert set(re.findall(r"\bhookline_(?:ingress|processors|actions|analytics)_\w+", text)) <= exported
    topics = re.findall(
        r"\b(?:webhooks|actions|configuration|workflows|domain)\.[a-z]+\.[a-z]+\.v[0-9]+(?:\.dlq)?", text
    )
    assert set(topics) <= set(load_topics())


def test_the_page_of_settings_is_the_one_the_code_gives() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: .venv/bin/python tools/list_settings.py --write"


def test_the_page_of_actions_has_what_the_registry_gives() -> None:
    text = write_actions.PAGE.read_text("utf-8")
    assert write_actions.page(text) == text, "run: .venv/bin/python tools/write_actions.py"
    with pytest.raises(ValueError, match="the part events 0 times"):
        write_actions.page(text.replace("end of events", "end"))


def test_the_readmes_defaults_are_those_of_the_code() -> None:
    rows = re.findall(r"(?m)^\| `(HOOKLINE_\w+)` \| (.+?) \|", (ROOT / "README.md").read_text("utf-8"))
    assert len(rows) >= 10
    full = dict(re.findall(r"(?m)^\| `(HOOKLINE_\w+)` \| (.+?) \|", page()))
    assert {name: full[name] for name, _ in rows} == dict(rows)
    assert Settings.model_fields


def test_the_readme_begins_with_what_it_is_and_then_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert list(shell_lines(text))[:2] == [["make", "demo"], ["make", "up"]]
    headings = re.findall(r"(?m)^## (.+)$", text)
    assert headings[0] == "Two commands"
    assert {"What you will see", "When not to use it", "Configuration", "Licence"} <= set(headings)


def test_every_target_has_help_and_is_phony() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in make_targets() - {"environment", "development"}:
        assert f"make {target} " in shown
    assert make_targets() == set(re.findall(r"(?m)^\.PHONY: (.+)$", text)[0].split())


def test_adrs_are_numbered_without_gaps_and_titled_with_their_number() -> None:
    for expected, path in enumerate(ADRS, 1):
        assert path.name.startswith(f"{expected:04}-")
        lines = path.read_text("utf-8").splitlines()
        assert lines[0].startswith(f"# {expected:04}. ")
        assert len(lines) <= 90, "one page"
        assert any(line.startswith("Status:") for line in lines)
    assert len(ADRS) >= 7


def test_the_entities_of_topics_and_the_roles_are_in_the_glossary() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    terms = re.findall(r"(?m)^\| \*\*(.+?)\*\* \|", glossary)
    assert len(terms) == len(set(terms))
    assert {name.split(".")[1] for name in load_topics()} <= set(terms)
    roles = {role for topic in load_topics().values() for role in (*topic.producers, *topic.consumers)}
    assert all(role in glossary for role in roles)


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_page_on_plugins_quotes_the_example_as_it_is() -> None:
    text, example = (ROOT / "docs" / "plugins.md").read_text("utf-8"), ROOT / "examples" / "hookline-bell"
    quoted = dict(re.findall(r"```(toml|python)\n(.*?)```", text, re.S))
    assert quoted == {
        "toml": (example / "pyproject.toml").read_text("utf-8"),
        "python": (example / "hookline_bell.py").read_text("utf-8"),
    }


def test_the_page_on_plugins_names_every_member_of_the_context() -> None:
    text = (ROOT / "docs" / "plugins.md").read_text("utf-8")
    for protocol in (ActionContext, Transaction):
        for member in vars(protocol).keys() - vars(Protocol).keys():
            assert member.startswith("_") or re.search(rf"`(?:tx\.)?{member}\b", text), member
