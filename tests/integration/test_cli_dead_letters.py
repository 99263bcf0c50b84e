"""`hookline dead-letters` against a running management: a tenant's own letters, and the operator's."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from hookline.errors import ExitCode
from tests.support.commands import Command, command
from tests.support.dead_letters import await_letter, request_letter, shown, write_letters
from tests.support.management import ManagementBase, management_base
from tests.support.wait import eventually
from tests.support.webhooks import create_webhook

__all__ = ["command", "management_base"]


def test_letters_are_listed_shown_tried_again_and_dismissed(
    management_base: ManagementBase, command: Command, tmp_path: Path
) -> None:
    webhook = create_webhook(management_base, f"w-{uuid4().hex[:8]}")
    tenant_id = str(management_base.tenant.id)
    write_letters(
        management_base.settings.kafka, [request_letter(tenant_id, webhook["id"], b'{"a":%d}' % n) for n in range(3)]
    )
    eventually(
        lambda: len(command("dead-letters", "list", "--webhook", webhook["id"], "--json").json) == 3,
        timeout_seconds=60,
        what="three letters in the list",
    )
    first, second, third = command("dead-letters", "list", "--webhook", webhook["id"], "--json").json
    assert first["id"] in command("dead-letters", "list").output
    assert command("dead-letters", "show", first["id"]).json["request"]["body"].startswith('{"a":')
    dismissed = command("dead-letters", "dismiss", first["id"], "--reason", "noise")
    assert (dismissed.code, dismissed.output.split()[-1]) == (ExitCode.OK, "dismissed")
    change = tmp_path / "change.json"
    change.write_text(json.dumps({"patch": [{"op": "add", "path": "/b", "value": 1}]}))
    one = command("dead-letters", "redrive", second["id"], "--reason", "mended", "--change", change)
    assert one.code == ExitCode.OK, one.error
    assert shown(management_base, second)["new_delivery_id"] in one.output
    rest = command("dead-letters", "redrive", "--all", "--webhook", webhook["id"], "--reason", "mended", "--json")
    assert [one["id"] for one in rest.json["redriven"]] == [third["id"]]
    again = command("dead-letters", "redrive", first["id"], second["id"], "--reason", "again")
    assert (again.code, again.error.count("was ")) == (ExitCode.WORK_FAILED, 2)
    assert command("dead-letters", "redrive", "--reason", "none").code == ExitCode.USAGE


def test_letters_that_name_no_tenant_are_the_operators(
    management_base: ManagementBase, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = uuid4().hex
    write_letters(
        management_base.settings.kafka,
        [
            request_letter("-", "-", mark.encode(), headers=[("hookline-tenant-id", b"\xff" + mark.encode())]),
            request_letter(str(management_base.tenant.id), str(uuid4())),
        ],
    )
    owned = await_letter(management_base)
    monkeypatch.setenv("HOOKLINE_KAFKA__BOOTSTRAP", management_base.settings.kafka.bootstrap)
    monkeypatch.setenv("HOOKLINE_POSTGRES__DSN", management_base.dsn)

    def newest() -> str | None:
        for one in command("dead-letters", "list", "--unowned", "--limit", "20", "--json").json:
            if mark in command("dead-letters", "show", one["id"], "--unowned").output:
                return str(one["id"])
        return None

    letter_id = eventually(newest, timeout_seconds=60, what="the letter that names no tenant") or ""
    found = command("dead-letters", "show", letter_id, "--unowned").json
    assert (found["failure"]["stage"], found["record_bytes"]) == ("processors", len(mark))
    assert command("dead-letters", "show", letter_id, "--unowned", "--body").output == mark
    assert command("dead-letters", "show", letter_id).code == ExitCode.WORK_FAILED, "by the API it is nobody's"
    assert command("dead-letters", "show", owned["id"], "--unowned").code == ExitCode.WORK_FAILED
    assert owned["id"] not in command("dead-letters", "list", "--unowned", "--json").output
