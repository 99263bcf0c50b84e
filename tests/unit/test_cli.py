"""The command line: what it refuses, how it says so, and with which exit code."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hookline.cli import app
from hookline.embedded.errors import DiskFull
from hookline.errors import ExitCode, NotReadyError, UsageError, WorkFailedError, exit_code_of
from hookline.roles import parse_roles
from infra.errors import KafkaUnavailableError, MigrationError, PostgresUnavailableError, SettingsError

COMMANDS = ("up", "run", "migrate", "send", "status", "doctor", "demo", "apply")
WEBHOOK_COMMANDS = ("list", "get", "apply", "delete", "rotate", "test")


@pytest.fixture
def command() -> CliRunner:
    return CliRunner()


@pytest.mark.parametrize("name", [*COMMANDS, *(f"webhooks {name}" for name in WEBHOOK_COMMANDS)])
def test_every_command_explains_itself_with_examples_and_exit_codes(command: CliRunner, name: str) -> None:
    result = command.invoke(app, [*name.split(), "--help"])
    assert result.exit_code == ExitCode.OK
    assert f"$ hookline {name}" in result.stdout
    assert "Exit codes" in result.stdout


def test_help_lists_every_command(command: CliRunner) -> None:
    result = command.invoke(app, ["--help"])
    assert all(f" {name} " in result.stdout for name in (*COMMANDS, "topics", "keys"))


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ("ingress", ("ingress",)),
        ("processors", ("processors",)),
        ("analytics, management,actions", ("management", "actions", "analytics")),
        ("actions,actions", ("actions",)),
    ],
)
def test_roles_that_may_share_a_process_are_accepted_in_any_order(roles: str, expected: tuple[str, ...]) -> None:
    assert parse_roles(roles) == expected


@pytest.mark.parametrize(
    ("roles", "named"),
    [
        ("ingress,processors", "ingress needs a process of its own"),
        ("actions,processors", "processors needs a process of its own"),
        ("workers", "unknown role workers"),
        ("actions,outbund", "unknown role outbund"),
        (",", "unknown role nothing"),
    ],
)
def test_other_combinations_are_refused_before_anything_starts(command: CliRunner, roles: str, named: str) -> None:
    result = command.invoke(app, ["run", roles])
    assert result.exit_code == ExitCode.USAGE
    assert named in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("arguments", [["status"], ["send", "rmm-alerts", "--sample", "ninja"], ["topics", "diff"]])
def test_without_a_stack_a_command_says_how_to_start_one(
    command: CliRunner, arguments: list[str], tmp_path: Path
) -> None:
    result = command.invoke(app, [*arguments, "--data-dir", str(tmp_path)])
    assert result.exit_code == ExitCode.NOT_READY
    assert f"hookline up --data-dir {tmp_path}" in result.stderr


def test_a_damaged_ready_file_is_named(command: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "ready.json").write_text("{}")
    result = command.invoke(app, ["status", "--data-dir", str(tmp_path)])
    assert result.exit_code == ExitCode.NOT_READY
    assert str(tmp_path / "ready.json") in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "either --file FILE or --sample NAME"),
        (["--file", "a.json", "--sample", "ninja"], "either --file FILE or --sample NAME"),
        (["--sample", "pager"], "the samples are ninja, datto, n-able, automate, atera"),
        (["--file", "/nowhere/a.json"], "/nowhere/a.json"),
    ],
)
def test_send_needs_exactly_one_source_that_exists(command: CliRunner, arguments: list[str], said: str) -> None:
    result = command.invoke(app, ["send", "rmm-alerts", *arguments])
    assert result.exit_code == ExitCode.USAGE
    assert said in result.stderr


def test_a_wrong_setting_is_named_and_its_value_is_not_shown(
    command: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKLINE_INGRESS__PORT", "hunter2")
    result = command.invoke(app, ["run", "ingress"])
    assert result.exit_code == ExitCode.USAGE
    assert "HOOKLINE_INGRESS__PORT" in result.stderr
    assert "hunter2" not in result.output


def test_external_without_services_says_which_settings_are_missing(
    command: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKLINE_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    ports = ["--ingress-port", "0", "--management-port", "0"]
    result = command.invoke(app, ["up", "--external", "--data-dir", str(tmp_path / "d"), *ports])
    assert result.exit_code == ExitCode.USAGE
    assert "HOOKLINE_POSTGRES__DSN" in result.stderr
    assert "HOOKLINE_KAFKA__BOOTSTRAP" not in result.stderr


def test_a_demo_refuses_a_folder_that_holds_something(command: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = command.invoke(app, ["demo", "--data-dir", str(tmp_path)])
    assert result.exit_code == ExitCode.USAGE
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_topics_are_listed_without_a_broker(command: CliRunner) -> None:
    result = command.invoke(app, ["topics", "list", "--json"])
    assert result.exit_code == ExitCode.OK
    declared = json.loads(result.stdout)
    assert declared["configuration.webhook.changed.v1"]["cleanup"] == "compact"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), ExitCode.USAGE),
        (SettingsError("x"), ExitCode.USAGE),
        (NotReadyError("x"), ExitCode.NOT_READY),
        (KafkaUnavailableError("x"), ExitCode.NOT_READY),
        (PostgresUnavailableError("x"), ExitCode.NOT_READY),
        (DiskFull(Path("/data")), ExitCode.ENVIRONMENT_UNUSABLE),
        (MigrationError("x"), ExitCode.WORK_FAILED),
        (WorkFailedError("x"), ExitCode.WORK_FAILED),
    ],
)
def test_every_error_of_ours_has_its_exit_code(error: Exception, code: ExitCode) -> None:
    assert exit_code_of(error) is code  # type: ignore[arg-type]
