"""Presets, public keys and handshakes in files: whose secret is whose, and what counts as a difference."""

from pathlib import Path
from typing import Any

import pytest

from hookline.webhook_files.declarations import Declaration
from hookline.webhook_files.steps import Step, body_of, plan
from schemas.handshakes import HandshakeRule

SECRETS = {"stripe": "signing_secret", "meta": "app_secret", "discord": None}
SHOWN: dict[str, Any] = {
    "version": 3,
    "slug": "pay",
    "name": "Pay",
    "auth_type": "preset",
    "auth_config": {"type": "preset", "preset": "stripe", "ip_cidrs": [], "account": "acme"},
    "handler_type": "direct_action",
    "handler_config": {"type": "direct_action", "action": "createTicket", "field_mapping": {"title": "a"}},
    "enrichment": {"severity": "alert.severity"},
    "redact_paths": ["card.number"],
    "handshake": None,
}
KEPT = {"env": "PAY_SECRET"}
GIVEN = "as the sender gave it out"


def step_of(shown: dict[str, Any] | None, *, set_secrets: bool = False, **members: Any) -> Step:
    """What is to be done where `shown` is in force."""
    declared = Declaration("pay", {"slug": "pay", **members}, Path())
    in_force = {} if shown is None else {"pay": shown}
    [step] = plan([declared], in_force, prune=False, set_secrets=set_secrets, preset_secrets=SECRETS)
    return step


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAY_SECRET", GIVEN)


def test_a_presets_secret_goes_by_its_own_name() -> None:
    new = step_of(None, auth_type="preset", auth_config={"preset": "stripe", "signing_secret": KEPT})
    assert body_of(new)["auth_config"] == {"preset": "stripe", "signing_secret": GIVEN}
    there = step_of(SHOWN, auth_config={"signing_secret": KEPT})
    assert (there.kind, there.sets_secret) == ("none", False)
    anew = step_of(SHOWN, set_secrets=True, auth_config={"signing_secret": KEPT})
    assert body_of(anew)["auth_config"] == {"signing_secret": GIVEN}


def test_another_preset_takes_the_secret_that_is_declared_for_it() -> None:
    step = step_of(SHOWN, auth_config={"preset": "meta", "app_secret": KEPT})
    assert (step.kind, step.sets_secret) == ("update", True)
    assert body_of(step)["auth_config"] == {"preset": "meta", "app_secret": GIVEN}


@pytest.mark.parametrize("shown", [None, SHOWN], ids=["new", "there"])
def test_a_presets_secret_in_the_file_itself_is_refused_without_showing_it(shown: dict[str, Any] | None) -> None:
    auth = {"signing_secret": "in plain text"} | ({"preset": "stripe"} if shown is None else {})
    step = step_of(shown, auth_type="preset", auth_config=auth)
    assert step.kind == "refused"
    assert "auth_config.signing_secret: a secret does not stand in the file" in str(step.problem)
    assert "in plain text" not in repr((step.problem, step.differences))


def test_a_secret_that_the_preset_has_not_is_refused_not_dropped() -> None:
    step = step_of(SHOWN, auth_config={"preset": "discord", "signing_secret": KEPT})
    assert (step.kind, step.problem) == ("refused", "auth_config.signing_secret: preset has no such member")


def test_a_secret_in_place_of_a_public_key_is_set() -> None:
    auth = {
        "type": "standard_webhooks",
        "public_key": "whpk_" + "A" * 43 + "=",
        "tolerance_seconds": 300,
        "ip_cidrs": [],
    }
    shown = {**SHOWN, "auth_type": "standard_webhooks", "auth_config": auth}
    step = step_of(shown, auth_config={"public_key": None, "secret": KEPT})
    assert (step.kind, step.sets_secret) == ("update", True)
    assert body_of(step)["auth_config"] == {"public_key": None, "secret": GIVEN}


def test_a_handshake_is_compared_with_the_members_it_leaves_out() -> None:
    declared = {
        "methods": ["GET"],
        "when": [{"source": "query.challenge", "exists": True}],
        "text": "{query.challenge}",
    }
    in_force = HandshakeRule.model_validate(declared).model_dump(mode="json")
    assert step_of({**SHOWN, "handshake": in_force}, handshake=declared).kind == "none"
    changed = step_of({**SHOWN, "handshake": in_force}, handshake={**declared, "status": 202})
    assert [one.path for one in changed.differences] == ["handshake"]
    assert step_of(SHOWN, handshake=declared).kind == "update"


def test_enrichment_is_taken_as_a_whole_and_redaction_as_a_list() -> None:
    step = step_of(SHOWN, enrichment={"site": "device.site"}, redact_paths=["card.number", "card.cvc"])
    assert {(one.path, one.before) for one in step.differences if one.path.startswith("enrichment")} == {
        ("enrichment.severity", "alert.severity"),
        ("enrichment.site", None),
    }
    assert [one.after for one in step.differences if one.path == "redact_paths"] == [["card.number", "card.cvc"]]
