"""`hookline apply` against a running management API on real stores."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hookline.errors import ExitCode, NotReadyError
from hookline.management_client import ManagementClient
from hookline.webhook_files.documents import yaml_text
from infra.secretbox import load_secret_box, webhook_context
from tests.support.commands import Command, command, find
from tests.support.management import ManagementBase, management_base
from tests.support.webhooks import (
    WEBHOOKS,
    actions_of,
    add_ticket_entities,
    create_webhook,
    webhook_body,
)

__all__ = ["command", "management_base"]

PAGE = Path(__file__).parents[2] / "docs" / "webhook-files.md"
SECRET = "a-secret-of-the-sender"
MAPPING = {"title": "alert.title", "client_id": "alert.client"}
TICKET = {"action": "createTicket", "field_mapping": MAPPING}
UPDATING = {**TICKET, "on_existing": "update"}


def declare(path: Path, *webhooks: dict[str, Any]) -> Path:
    """A file that declares these."""
    path.write_text(yaml_text({"webhooks": list(webhooks)}))
    return path


def secret_of(base: ManagementBase, webhook_id: str) -> str:
    """The current secret, in the clear."""
    [row] = base.rows("SELECT sealed FROM webhook_secrets WHERE webhook_id = %s AND slot = 'current'", (webhook_id,))
    return load_secret_box(base.settings).open(row["sealed"], context=webhook_context(str(base.tenant.id), webhook_id))


def test_external_ids_of_another_webhook_are_kept_and_pruned_in_an_order_that_works(
    management_base: ManagementBase, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKLINE_API_KEY", management_base.other_tenant.admin_key)
    theirs = management_base.other_tenant.headers
    for listed in management_base.call("GET", WEBHOOKS, headers=theirs, params={"per_page": 100}).json()["data"]:
        management_base.call("DELETE", f"{WEBHOOKS}/{listed['id']}", headers=theirs)
    owner = management_base.call("POST", WEBHOOKS, headers=theirs, json=webhook_body("a-owner")).json()
    leaning = {**TICKET, "external_ids_of": owner["id"]}
    for slug in ("kept", "z-leaning"):
        body = webhook_body(slug, handler_config=leaning if slug != "kept" else TICKET)
        assert management_base.call("POST", WEBHOOKS, headers=theirs, json=body).status_code == 201
    file = tmp_path / "webhook.yaml"
    file.write_text(command("webhooks", "get", "z-leaning").output)
    assert command("apply", "-f", file, "--dry-run").output == "  z-leaning: as declared\n"
    file.write_text(command("webhooks", "get", "kept").output)
    assert command("apply", "-f", file, "--prune", "--dry-run").code == ExitCode.WORK_FAILED
    pruned = command("apply", "-f", file, "--prune")
    assert (pruned.code, pruned.output) == (0, "  kept: as declared\n- z-leaning: delete\n- a-owner: delete\n")
    assert [found["slug"] for found in command("webhooks", "list", "--json").json] == ["kept"]


def test_the_file_of_the_docs_is_applied_as_it_stands(
    management_base: ManagementBase, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_ticket_entities(management_base, management_base.tenant.id)
    [example] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    file = tmp_path / "webhooks.yaml"
    file.write_text(example)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "rmm-devices.key").write_text(f"{SECRET}-of-devices\n")
    assert command("apply", "-f", file, "--dry-run").code == ExitCode.WORK_FAILED
    without = command("apply", "-f", file)
    assert without.code == ExitCode.USAGE
    assert "rmm-alerts: auth_config.secret: the environment has no RMM_ALERTS_SECRET" in without.error
    assert management_base.call("GET", WEBHOOKS, params={"slug": "rmm-devices"}).json()["meta"]["total"] == 0
    monkeypatch.setenv("RMM_ALERTS_SECRET", SECRET)
    made = command("apply", "-f", file)
    assert made.code == 0, made.error
    *lines, shown_once = made.output.splitlines()
    assert lines == ["+ rmm-alerts: create", "+ rmm-devices: create", "+ rmm-heartbeats: create"]
    alerts, devices, heartbeats = (find(management_base, f"rmm-{name}") for name in ("alerts", "devices", "heartbeats"))
    assert secret_of(management_base, alerts["id"]) == SECRET
    assert secret_of(management_base, devices["id"]) == f"{SECRET}-of-devices"
    assert shown_once == f"    secret, shown this once: {secret_of(management_base, heartbeats['id'])}"
    assert alerts["filters"]["all"][1]["value"] == "NO"
    assert SECRET not in made.output + made.error + without.error
    for options in ([], ["--dry-run"], ["--set-secrets"]):
        again = command("apply", "-f", file, "--json", *options)
        assert (again.code, [step["step"] for step in again.json]) == (0, ["none"] * 3), again.error
    assert {find(management_base, f"rmm-{name}")["version"] for name in ("alerts", "devices", "heartbeats")} == {1}


def test_a_change_is_shown_made_once_and_not_again(
    management_base: ManagementBase, command: Command, tmp_path: Path
) -> None:
    created = create_webhook(
        management_base,
        "changed",
        filters={"jsonata": "a = 1"},
        metadata={"level": 1},
        priority=2,
        handler_config=UPDATING,
    )
    wanted = {
        "slug": "changed",
        "metadata": {},
        "auth_config": {"encoding": "base64"},
        "handler_config": {"field_mapping": {**MAPPING, "title": "'x'"}},
        "filters": None,
    }
    file = declare(tmp_path / "webhooks.yaml", wanted)
    shown = (
        "~ changed: update\n"
        "    metadata.level: 1 -> null\n"
        '    auth_config.encoding: "hex" -> "base64"\n'
        '    handler_config.field_mapping.title: "alert.title" -> "\'x\'"\n'
        '    filters: {"jsonata": "a = 1"} -> null\n'
    )
    planned = command("apply", "-f", file, "--dry-run")
    assert (planned.code, planned.output) == (ExitCode.WORK_FAILED, shown)
    assert find(management_base, "changed")["version"] == 1
    for expected in (shown, "  changed: as declared\n"):
        ran = command("apply", "-f", file)
        assert (ran.code, ran.output) == (0, expected), ran.error
    after = find(management_base, "changed")
    assert (after["version"], after["filters"], after["priority"]) == (2, None, 2)
    assert after["auth_config"] == {**created["auth_config"], "encoding": "base64"}
    assert after["handler_config"]["on_existing"] == "update"
    assert actions_of(management_base, created["id"]) == ["inbound_webhook.created", "inbound_webhook.updated"]


def test_what_somebody_else_changed_since_get_is_not_overwritten(
    management_base: ManagementBase, command: Command, tmp_path: Path
) -> None:
    created = create_webhook(management_base, "contended")
    file = tmp_path / "webhook.yaml"
    text = command("webhooks", "get", "contended").output
    path = f"{WEBHOOKS}/{created['id']}"
    assert management_base.call("PATCH", path, json={"rate_limit_per_minute": 7}).status_code == 200
    file.write_text(text.replace("priority: 1", "priority: 3"))
    refused = command("apply", "-f", file)
    assert refused.code == ExitCode.WORK_FAILED
    assert refused.output == "! contended: refused\n    priority: 1 -> 3\n    rate_limit_per_minute: 7 -> 600\n"
    assert "somebody else changed it: the file is of version 1, and it is version 2 by now" in refused.error
    assert find(management_base, "contended")["rate_limit_per_minute"] == 7
    file.write_text(file.read_text().replace("version: 1\n", ""))
    assert command("apply", "-f", file).code == 0
    after = find(management_base, "contended")
    assert (after["rate_limit_per_minute"], after["priority"], after["version"]) == (600, 3, 3)


def test_what_somebody_else_changes_meanwhile_is_not_overwritten(
    management_base: ManagementBase, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{WEBHOOKS}/{create_webhook(management_base, 'raced')['id']}"
    call = ManagementClient.call

    def call_too_late(client: ManagementClient, method: str, *arguments: Any, **named: Any) -> Any:
        if method in ("PUT", "DELETE"):
            assert management_base.call("PATCH", path, json={"priority": 0}).status_code == 200
        return call(client, method, *arguments, **named)

    monkeypatch.setattr(ManagementClient, "call", call_too_late)
    refused = command("apply", "-f", declare(tmp_path / "webhooks.yaml", {"slug": "raced", "priority": 3}))
    assert (refused.code, refused.output) == (ExitCode.WORK_FAILED, "! raced: refused\n    priority: 1 -> 3\n")
    assert "raced: somebody else changed it: it is version 2 by now; read it again (412)" in refused.error
    assert find(management_base, "raced")["priority"] == 0


def test_every_problem_is_shown_the_others_are_done_and_nothing_is_pruned(
    management_base: ManagementBase, command: Command, tmp_path: Path
) -> None:
    create_webhook(management_base, "not-declared")
    create_webhook(management_base, "damaged")
    bad = webhook_body("Bad_Slug", priority=9, handler_config={**TICKET, "field_mapping": {"title": "a ++"}}, colour=1)
    worse = {"slug": "damaged", "auth_config": {"ip_cidrs": ["10.0.0.0/33"]}, "handler_config": {"on_existing": "x"}}
    folder = tmp_path / "webhooks"
    folder.mkdir()
    declare(folder / "1.yaml", bad, worse)
    ran = command(
        *("apply", "-f", folder, "-f", declare(tmp_path / "good.yml", webhook_body("good"))), "--prune", "--json"
    )
    assert ran.code == ExitCode.WORK_FAILED
    assert "the request is not valid (400)" in ran.error
    for problem in (
        "  slug: slug must be 1 to 64",
        "  priority: ",
        "  colour: colour is not a member of a webhook",
        "  handler_config.field_mapping.title: ",
        "  handler_config.field_mapping.client_id: createTicket needs one of client_id",
        "  auth_config.ip_cidrs.0: ",
        "  handler_config.on_existing: on_existing must be one of fail, update, ignore",
        "not-declared: not deleted, because not everything that is declared could be done",
    ):
        assert problem in ran.error
    steps = {step["webhook"]: step for step in ran.json}
    assert [steps[slug]["step"] for slug in ("Bad_Slug", "damaged", "good", "not-declared")] == [
        *("refused", "refused", "create", "refused")
    ]
    assert steps["good"]["secret"] == secret_of(management_base, find(management_base, "good")["id"])
    assert find(management_base, "not-declared")["is_active"] is True
    assert find(management_base, "damaged")["version"] == 1


def test_secrets_are_set_with_a_new_scheme_and_when_asked_for(
    management_base: ManagementBase, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = create_webhook(management_base, "secrets")
    monkeypatch.setenv("SENDERS_TOKEN", SECRET)
    file = declare(
        tmp_path / "webhooks.yaml",
        {"slug": "secrets", "auth_type": "bearer", "auth_config": {"token": {"env": "SENDERS_TOKEN"}}},
    )
    changed = command("apply", "-f", file)
    lines = ["~ secrets: update", '    auth_type: "hmac_sha256" -> "bearer"', "    secret: as the file says"]
    assert (changed.code, changed.output.splitlines()) == (0, lines), changed.error
    assert secret_of(management_base, created["id"]) == SECRET
    monkeypatch.setenv("SENDERS_TOKEN", f"{SECRET}-2")
    assert command("apply", "-f", file).output == "  secrets: as declared\n"
    assert secret_of(management_base, created["id"]) == SECRET
    assert command("apply", "-f", file, "--set-secrets", "--dry-run").code == ExitCode.WORK_FAILED
    for expected in ("~ secrets: update\n    secret: as the file says\n", "  secrets: as declared\n"):
        ran = command("apply", "-f", file, "--set-secrets")
        assert (ran.code, ran.output) == (0, expected), ran.error
    assert secret_of(management_base, created["id"]) == f"{SECRET}-2"
    assert find(management_base, "secrets")["version"] == 3


def test_a_secret_that_the_api_makes_is_shown_though_the_api_goes_away_after_it(
    management_base: ManagementBase, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ManagementClient.call

    def call_until_lost(client: ManagementClient, method: str, *arguments: Any, **named: Any) -> Any:
        if method == "POST" and named["body"]["slug"] == "lost":
            raise NotReadyError("the management API does not answer")
        return call(client, method, *arguments, **named)

    monkeypatch.setattr(ManagementClient, "call", call_until_lost)
    for options in ([], ["--json"]):
        kept = f"kept{''.join(options)}"
        file = declare(tmp_path / "webhooks.yaml", webhook_body(kept), webhook_body("lost"))
        ran = command("apply", "-f", file, *options)
        assert ran.code == ExitCode.NOT_READY
        assert secret_of(management_base, find(management_base, kept)["id"]) in ran.output
