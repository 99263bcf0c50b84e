"""`hookline webhooks list`, `get`, `delete`, `rotate` and `test`, and what the command says when it may or can not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from hookline.errors import ExitCode
from infra.actions.registry import load_actions
from infra.clickhouse import ClickHouse
from management.inbound_webhooks.schemas import InboundWebhookSettings
from schemas.webhooks import AuthType
from tests.support.commands import Command, command, find, run
from tests.support.management import ManagementBase, management_base, running_management
from tests.support.webhooks import WEBHOOKS, create_webhook, get_webhook, webhook_body

__all__ = ["command", "management_base"]

NONE = {"acknowledge_unauthenticated": True}


SETTINGS = tuple(InboundWebhookSettings.model_fields)
TICKET = {"action": "createTicket", "field_mapping": {"title": "alert.title", "client_id": "alert.client"}}
ASSET = {"action": "upsertAssetByExternalId", "field_mapping": {"external_id": "device.id"}}
FILTERS = {"any": [{"field": "$.a", "operator": "equals", "value": "NO"}, {"jsonata": "b = 1\nand c = 'x'"}]}
EVERYTHING: list[dict[str, Any]] = [
    {"auth_config": {"signature_header": "X-Hub", "algorithm": "sha1", "prefix": "sha1=", "timestamp_header": "X-At"}},
    {"auth_config": {"signature_header": "X-Sig", "signed_payload": "{timestamp}.{body}", "timestamp_header": "X-At"}},
    {"auth_type": "bearer", "auth_config": {"ip_cidrs": ["10.0.0.0/8", "2001:db8::/32"]}},
    {"auth_type": "basic", "auth_config": {"username": "sender"}},
    {"auth_type": "api_key", "auth_config": {"header": "X-Key"}},
    {"auth_type": "path_token", "auth_config": {"query_param": "t"}},
    {"auth_type": "standard_webhooks", "auth_config": {"tolerance_seconds": 60}},
    {"auth_type": "standard_webhooks", "auth_config": {"public_key": f"whpk_{'A' * 43}="}},
    {"auth_type": "preset", "auth_config": {"preset": "github"}},
    {"auth_type": "preset", "auth_config": {"preset": "okta", "header": "X-Okta-Key"}, "idempotency_source": None},
    {"auth_type": "preset", "auth_config": {"preset": "discord", "public_key": "0123456789abcdef" * 4}},
    {"auth_type": "ip_allowlist", "auth_config": {"ip_cidrs": ["192.0.2.7"]}},
    {"auth_type": "none", "auth_config": {"acknowledge_unauthenticated": True}},
    *[{"handler_config": {**TICKET, "on_existing": option}} for option in ("fail", "update", "ignore")],
    *[{"handler_config": {**ASSET, "on_duplicate": option}} for option in ("fail", "link")],
    {"filters": FILTERS, "metadata": {"a": "2026-01-01", "b": 1.5, "c": None, "d": False, "e": "no"}},
    {"idempotency_source": {"type": "header", "value": "X-Id"}, "ordering_key": "alert.id", "is_active": False},
    {"enrichment": {"severity": "$uppercase(alert.severity)"}, "redact_paths": ["$.user.password", "cards[*].number"]},
    {"handshake": {"methods": ["GET"], "when": [{"source": "query.c", "exists": True}], "text": "{query.c}"}},
    {"handshake": {"methods": ["POST"], "when": [{"source": "body.a", "equals": 1}], "json": {"b": "{body.a}"}}},
    {"description": "one\n\n  two: é\t\n", "priority": 0, "rate_limit_per_minute": 1, "max_body_bytes": 1},
    {"validation": {"mode": "warn", "event_type": "ticket.created"}},
]


def status_of(base: ManagementBase, webhook_id: str) -> int:
    return base.call("GET", f"{WEBHOOKS}/{webhook_id}").status_code


def test_a_list_shows_what_matters_and_search_narrows_it(management_base: ManagementBase, command: Command) -> None:
    create_webhook(management_base, "listed-one", is_active=False)
    create_webhook(management_base, "listed-two", auth_type="none", auth_config=NONE)
    shown = command("webhooks", "list", "--search", "listed-")
    assert [line.split() for line in shown.output.splitlines()] == [
        ["slug", "active", "proof", "handler", "last", "triggered"],
        ["listed-one", "no", "hmac_sha256", "createTicket", "-"],
        ["listed-two", "yes", "none", "createTicket", "-"],
    ]
    assert command("webhooks", "list", "--search", "nothing-like-it").output == "no webhook\n"
    [found] = command("webhooks", "list", "--search", "listed-one", "--json").json
    assert found["slug"] == "listed-one"


def test_presets_are_listed_and_one_is_shown_with_what_to_enter_where(
    management_base: ManagementBase, command: Command
) -> None:
    listed = command("webhooks", "presets")
    assert listed.code == 0, listed.error
    assert listed.output.splitlines()[0].split() == ["preset", "sender", "kind", "fields", "proof"]
    assert any(line.startswith("github ") for line in listed.output.splitlines())
    as_json = command("webhooks", "presets", "--json").json
    assert {one["name"] for one in as_json} >= {"github", "stripe"}
    shown = command("webhooks", "presets", "github")
    assert "X-Hub-Signature-256" in shown.output
    assert command("webhooks", "presets", "github", "--json").json["name"] == "github"
    assert command("webhooks", "presets", "no/such").code == ExitCode.WORK_FAILED
    create_webhook(management_base, "of-a-preset", auth_type="preset", auth_config={"preset": "github"})
    assert "preset github" in command("webhooks", "list", "--search", "of-a-preset").output


def test_every_page_of_a_list_is_read(management_base: ManagementBase, command: Command) -> None:
    for number in range(101):
        create_webhook(management_base, f"paged-{number:03}")
    found = command("webhooks", "list", "--search", "paged-", "--json").json
    assert [webhook["slug"] for webhook in found] == [f"paged-{number:03}" for number in range(101)]


def test_get_as_json_is_everything_the_api_shows(management_base: ManagementBase, command: Command) -> None:
    created = create_webhook(management_base, "got")
    assert command("webhooks", "get", "got", "--json").json == get_webhook(management_base, created["id"])


@pytest.mark.parametrize("number", range(len(EVERYTHING)))
def test_what_get_writes_is_as_declared_and_makes_the_same_elsewhere(
    management_base: ManagementBase, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    slug = f"everything-{number}"
    create_webhook(management_base, slug, **EVERYTHING[number])
    file = tmp_path / "webhook.yaml"
    file.write_text(command("webhooks", "get", slug).output)
    for options in (["--dry-run"], [], ["--set-secrets"]):
        ran = command("apply", "-f", file, *options)
        assert (ran.code, ran.output) == (0, f"  {slug}: as declared\n"), ran.error
    shown = find(management_base, slug)
    assert shown["version"] == 1
    monkeypatch.setenv("HOOKLINE_API_KEY", management_base.other_tenant.admin_key)
    made = command("apply", "-f", file)
    assert made.code == 0, made.error
    assert made.output.startswith(f"+ {slug}: create\n")
    theirs = command("webhooks", "get", slug, "--json").json
    assert {name: theirs[name] for name in SETTINGS} == {name: shown[name] for name in SETTINGS}
    assert command("webhooks", "get", slug).output == file.read_text()


def test_every_scheme_and_every_option_of_the_actions_is_among_them() -> None:
    assert {case.get("auth_type", "hmac_sha256") for case in EVERYTHING} == set(get_args(AuthType))
    handlers = [case["handler_config"] for case in EVERYTHING if "handler_config" in case]
    covered = [(name, value) for handler in handlers for name, value in handler.items()]
    for action in load_actions().values():
        for option in action.definition.options:
            assert all((option.name, value) in covered for value in option.enum_values), option


@pytest.mark.parametrize("arguments", [["get"], ["delete", "--yes"], ["rotate"], ["test"]])
@pytest.mark.parametrize("slug", ["not-there", "Not A Slug"])
@pytest.mark.usefixtures("management_base")
def test_a_webhook_that_is_not_there_is_named(command: Command, arguments: list[str], slug: str) -> None:
    ran = command("webhooks", *arguments, slug)
    assert (ran.code, ran.output, ran.error) == (ExitCode.WORK_FAILED, "", f"hookline: no webhook {slug}\n")


def test_a_deletion_is_asked_for_unless_it_was_said(management_base: ManagementBase, command: Command) -> None:
    webhook_id = create_webhook(management_base, "deleted")["id"]
    kept = command("webhooks", "delete", "deleted", given="n\n")
    assert (kept.code, kept.error) == (ExitCode.WORK_FAILED, "hookline: nothing deleted\n")
    assert status_of(management_base, webhook_id) == 200
    assert command("webhooks", "delete", "deleted", given="y\n").output.endswith("deleted deleted\n")
    assert status_of(management_base, webhook_id) == 404
    create_webhook(management_base, "deleted")
    assert command("webhooks", "delete", "deleted", "--yes").output == "deleted deleted\n"


def test_a_rotation_shows_the_new_secret_and_how_long_the_old_one_is_good(
    management_base: ManagementBase, command: Command
) -> None:
    created = create_webhook(management_base, "rotated")
    rotated = command("webhooks", "rotate", "rotated", "--overlap-seconds", 60, "--json").json
    assert rotated["secret"] != created["secret"]
    until = datetime.fromisoformat(rotated["previous_secret_valid_until"])
    assert 0 < (until - datetime.now(UTC)).total_seconds() <= 60
    first, second = command("webhooks", "rotate", "rotated").output.splitlines()
    assert first.startswith("new secret of rotated, shown this once: ")
    until_text = get_webhook(management_base, created["id"])["previous_secret_valid_until"]
    assert second == f"the previous one is good until {until_text}"
    cut = command("webhooks", "rotate", "rotated", "--overlap-seconds", 0)
    assert cut.output.endswith("\nthe previous one is not good any more\n")
    create_webhook(management_base, "open-to-all", auth_type="none", auth_config=NONE)
    refused = command("webhooks", "rotate", "open-to-all")
    assert (refused.code, refused.error) == (
        ExitCode.WORK_FAILED,
        "hookline: auth_type none has no secret to rotate (409)\n",
    )
    too_long = command("webhooks", "rotate", "rotated", "--overlap-seconds", 2_592_001)
    assert (too_long.code, "  rotation_overlap_seconds: " in too_long.error) == (ExitCode.WORK_FAILED, True)


def test_a_dry_run_ends_well_unless_something_would_fail(
    management_base: ManagementBase, command: Command, tmp_path: Path
) -> None:
    filters = {"all": [{"field": "$.kind", "operator": "equals", "value": "alert"}]}
    create_webhook(management_base, "dry", filters=filters)
    file = tmp_path / "body.json"
    for body, code, valid in (
        ('{"kind": "alert", "alert": {"title": "Disk", "client": "Acme Ltd"}}', ExitCode.OK, True),
        ('{"kind": "other"}', ExitCode.OK, False),
        ('{"kind": "alert", "alert": {"client": "Acme Ltd"}}', ExitCode.WORK_FAILED, False),
        ("{not json", ExitCode.WORK_FAILED, False),
    ):
        file.write_text(body)
        ran = command("webhooks", "test", "dry", "--dry-run", "--file", file)
        assert (ran.code, ran.json["valid"]) == (code, valid), ran.output
    without = command("webhooks", "test", "dry", "--dry-run")
    assert (without.code, "  body: is required: the webhook has no captured sample" in without.error) == (1, True)
    file.write_bytes(b"\xff")
    assert command("webhooks", "test", "dry", "--file", file).error == f"hookline: {file} is not UTF-8\n"
    assert command("webhooks", "test", "dry", "--file", tmp_path / "no.json").code == ExitCode.USAGE


def test_a_test_without_an_outcome_in_time_says_what_it_waits_for(
    management_base: ManagementBase,
    command: Command,
    clickhouse_engine: ClickHouse,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    create_webhook(management_base, "pending")
    (tmp_path / "body.json").write_text(json.dumps({"alert": {"title": "Disk", "client": "Acme Ltd"}}))
    hasty = management_base.settings.management.model_copy(update={"test_wait_seconds": 0.2})
    settings = management_base.settings.model_copy(update={"management": hasty})
    with running_management(settings, clickhouse_engine) as api:
        monkeypatch.setenv("HOOKLINE_API_URL", str(api.base_url))
        ran = command("webhooks", "test", "pending", "-f", tmp_path / "body.json")
    assert (ran.code, ran.json["dispatch_status"]) == (ExitCode.NOT_READY, "pending")
    assert "no outcome yet, it waits for\nprocessors: the request was not processed yet" in ran.error


def test_a_key_that_may_not_is_told_what_it_lacks(
    management_base: ManagementBase, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    create_webhook(management_base, "guarded")
    file = tmp_path / "webhooks.yaml"
    file.write_text(json.dumps({"webhooks": [{"slug": "guarded", "priority": 3}, webhook_body("unwanted")]}))
    monkeypatch.setenv("HOOKLINE_API_KEY", management_base.new_key("inbound_webhook:read"))
    ran = command("apply", "-f", file)
    assert ran.code == ExitCode.WORK_FAILED
    for permission in ("inbound_webhook:update", "inbound_webhook:create"):
        assert permission in ran.error
    monkeypatch.setenv("HOOKLINE_API_KEY", "ixk_nobodys")
    assert "(401)" in command("webhooks", "list").error


@pytest.mark.parametrize(
    ("url", "key", "code", "words"),
    [
        (
            "http://127.0.0.1:1",
            "ixk_k",
            ExitCode.NOT_READY,
            "the management API at http://127.0.0.1:1/api/v1/ does not",
        ),
        ("127.0.0.1:8081", "ixk_k", ExitCode.USAGE, "HOOKLINE_API_URL must begin with http:// or https://"),
        ("http://", "ixk_k", ExitCode.USAGE, "HOOKLINE_API_URL must begin with http:// or https://"),
        ("http://[::1", "ixk_k", ExitCode.USAGE, "HOOKLINE_API_URL must begin with http:// or https://"),
        ("http://127.0.0.1:1", "ixk_planted\n", ExitCode.USAGE, "HOOKLINE_API_KEY is no API key"),
        ("http://127.0.0.1:1", None, ExitCode.USAGE, "HOOKLINE_API_URL and HOOKLINE_API_KEY belong together"),
    ],
)
def test_an_address_or_key_that_cannot_be_is_said_without_showing_the_key(
    monkeypatch: pytest.MonkeyPatch, url: str, key: str | None, code: ExitCode, words: str
) -> None:
    monkeypatch.setenv("HOOKLINE_API_URL", url)
    monkeypatch.delenv("HOOKLINE_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("HOOKLINE_API_KEY", key)
    ran = run("webhooks", "list")
    assert (ran.code, ran.output) == (code, "")
    assert words in ran.error
    assert "planted" not in ran.error
