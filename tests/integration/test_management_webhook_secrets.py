"""Secrets of webhooks over the API: rotated with an overlap, replaced at once, sealed, and shown once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from infra.secretbox import SecretBox, load_secret_box, webhook_context
from tests.support.management import ManagementBase, management_base
from tests.support.webhooks import WEBHOOKS, create_webhook, get_webhook, problems_of, webhook_body

__all__ = ["management_base"]


EVERYTHING_WRITTEN = (
    "SELECT to_jsonb(t)::text FROM webhooks t",
    "SELECT to_jsonb(t)::text FROM webhook_versions t",
    "SELECT to_jsonb(t)::text FROM webhook_secrets t",
    "SELECT to_jsonb(t)::text FROM configuration_outbox t",
    "SELECT to_jsonb(t)::text FROM audit_entries t",
)


def good_secrets(base: ManagementBase, webhook_id: str) -> dict[str, str]:
    """The secrets of a webhook in the clear, by slot."""
    box = load_secret_box(base.settings)
    context = webhook_context(str(base.tenant.id), webhook_id)
    rows = base.rows("SELECT slot, sealed FROM webhook_secrets WHERE webhook_id = %s", (webhook_id,))
    return {row["slot"]: box.open(row["sealed"], context=context) for row in rows}


def rotate(base: ManagementBase, webhook_id: str, body: Any = None) -> dict[str, Any]:
    """The answer to a rotation, which has to succeed."""
    answer = base.call("POST", f"{WEBHOOKS}/{webhook_id}/rotate-secret", json=body)
    assert answer.status_code == 200, answer.text
    rotated: dict[str, Any] = answer.json()
    return rotated


def test_a_rotation_keeps_the_old_secret_for_a_day_unless_said_otherwise(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "rotated")
    answer = management_base.call("POST", f"{WEBHOOKS}/{created['id']}/rotate-secret")
    assert answer.status_code == 200, answer.text
    rotated = answer.json()
    assert rotated.keys() == {"secret", "handshake_token", "previous_secret_valid_until", "version"}
    assert rotated["version"] == 2
    assert good_secrets(management_base, created["id"]) == {
        "current": rotated["secret"],
        "previous": created["secret"],
    }
    until = datetime.fromisoformat(rotated["previous_secret_valid_until"])
    assert timedelta(hours=23, minutes=58) < until - datetime.now(UTC) <= timedelta(hours=24)
    shown = get_webhook(management_base, created["id"])
    assert shown["previous_secret_valid_until"] == rotated["previous_secret_valid_until"]
    assert shown["secret_rotated_at"] > created["secret_rotated_at"]
    assert shown["version"] == 2


def test_a_rotation_without_overlap_ends_the_old_secret_at_once(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "cut-now")
    rotated = rotate(management_base, created["id"], {"rotation_overlap_seconds": 0})
    assert rotated["previous_secret_valid_until"] is None
    assert good_secrets(management_base, created["id"]) == {"current": rotated["secret"]}


def test_rotating_twice_replaces_the_previous_secret_so_that_two_are_good_at_most(
    management_base: ManagementBase,
) -> None:
    created = create_webhook(management_base, "rotated-twice")
    first = rotate(management_base, created["id"], {})
    second = rotate(management_base, created["id"], {"secret": "a-secret-of-my-own-choice"})
    assert second["secret"] == "a-secret-of-my-own-choice"
    assert good_secrets(management_base, created["id"]) == {
        "current": "a-secret-of-my-own-choice",
        "previous": first["secret"],
    }


def test_finalising_ends_the_previous_secret_and_says_so_once(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "finalised")
    rotated = rotate(management_base, created["id"], {})
    path = f"{WEBHOOKS}/{created['id']}/finalise-rotation"
    assert management_base.call("POST", path).json() == {"version": 3}
    assert management_base.call("POST", path).json() == {"version": 3}
    assert good_secrets(management_base, created["id"]) == {"current": rotated["secret"]}
    assert get_webhook(management_base, created["id"])["previous_secret_valid_until"] is None


def test_a_previous_secret_whose_time_is_over_is_not_shown_as_good(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "overlap-over")
    rotate(management_base, created["id"], {})
    management_base.write(
        "UPDATE webhook_secrets SET valid_until = now() - interval '1 second' "
        "WHERE webhook_id = %s AND slot = 'previous'",
        (created["id"],),
    )
    assert get_webhook(management_base, created["id"])["previous_secret_valid_until"] is None


def test_a_secret_set_with_put_or_patch_replaces_the_old_ones_at_once(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "replaced")
    rotate(management_base, created["id"], {})
    path = f"{WEBHOOKS}/{created['id']}"
    patched = management_base.call("PATCH", path, json={"auth_config": {"secret": "set-by-a-merge-patch"}})
    assert patched.json()["version"] == 3
    assert "set-by-a-merge-patch" not in patched.text
    assert "secret" not in patched.json()
    assert good_secrets(management_base, created["id"]) == {"current": "set-by-a-merge-patch"}
    body = webhook_body("replaced", auth_config={"signature_header": "X-Signature", "secret": "set-by-a-put-request"})
    assert management_base.call("PUT", path, json=body).json()["version"] == 4
    assert management_base.call("PUT", path, json=body).json()["version"] == 4
    assert good_secrets(management_base, created["id"]) == {"current": "set-by-a-put-request"}


def test_a_secret_under_a_master_key_that_is_lost_can_be_replaced(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "lost-key")
    lost = SecretBox([bytes(32)]).seal("a-secret-of-then", context="webhook/of/then")
    management_base.write("UPDATE webhook_secrets SET sealed = %s WHERE webhook_id = %s", (lost, created["id"]))
    path = f"{WEBHOOKS}/{created['id']}"
    patched = management_base.call("PATCH", path, json={"auth_config": {"secret": "a-secret-of-today"}})
    assert patched.status_code == 200, patched.text
    assert good_secrets(management_base, created["id"]) == {"current": "a-secret-of-today"}


@pytest.mark.parametrize(
    ("auth_type", "config"),
    [("none", {"acknowledge_unauthenticated": True}), ("ip_allowlist", {"ip_cidrs": ["10.0.0.0/8"]})],
)
def test_a_scheme_without_a_secret_has_none_to_rotate(
    management_base: ManagementBase, auth_type: str, config: dict[str, Any]
) -> None:
    slug = f"nothing-to-rotate-{auth_type.replace('_', '-')}"
    created = create_webhook(management_base, slug, auth_type=auth_type, auth_config=config)
    for operation in ("rotate-secret", "finalise-rotation"):
        answer = management_base.call("POST", f"{WEBHOOKS}/{created['id']}/{operation}", json={})
        assert answer.status_code == 409
        assert auth_type in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"secret": "short"}, {"secret"}),
        ({"password": "a-password-long-enough"}, {"password"}),
        ({"secret": "one-secret-long-enough", "token": "other-secret-long-enough"}, {"secret"}),
        ({"rotation_overlap_seconds": -1}, {"rotation_overlap_seconds"}),
        ({"rotation_overlap_seconds": 2_592_001}, {"rotation_overlap_seconds"}),
        ({"rotation_overlap_seconds": "0", "why": "not", "token": 5}, {"rotation_overlap_seconds", "why", "token"}),
    ],
)
def test_a_rotation_that_is_not_understood_changes_nothing(
    management_base: ManagementBase, body: dict[str, Any], paths: set[str]
) -> None:
    created = create_webhook(management_base, f"not-rotated-{uuid4().hex}", auth_type="bearer", auth_config={})
    answer = management_base.call("POST", f"{WEBHOOKS}/{created['id']}/rotate-secret", json=body)
    assert problems_of(answer).keys() == paths
    assert "long-enough" not in answer.text
    assert good_secrets(management_base, created["id"]) == {"current": created["secret"]}


def test_a_rotation_to_the_secret_that_is_good_already_is_a_conflict(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "same-secret")
    answer = management_base.call(
        "POST", f"{WEBHOOKS}/{created['id']}/rotate-secret", json={"secret": created["secret"]}
    )
    assert answer.status_code == 409
    assert created["secret"] not in answer.text


def test_rotations_at_once_leave_two_good_secrets_that_were_answered(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "rotated-at-once")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: rotate(management_base, created["id"], {}), range(4)))
    assert sorted(answer["version"] for answer in answers) == [2, 3, 4, 5]
    by_version = {answer["version"]: answer["secret"] for answer in answers}
    assert good_secrets(management_base, created["id"]) == {"current": by_version[5], "previous": by_version[4]}


def test_secrets_stand_nowhere_but_sealed(management_base: ManagementBase, whole_log: Callable[[], str]) -> None:
    planted = [f"planted-secret-number-{number}" for number in range(4)]
    created = create_webhook(management_base, "planted", auth_config={"signature_header": "X-S", "secret": planted[0]})
    path = f"{WEBHOOKS}/{created['id']}"
    management_base.call("PATCH", path, json={"auth_config": {"secret": planted[1]}})
    rotate(management_base, created["id"], {"secret": planted[2]})
    refused = management_base.call("PATCH", path, json={"auth_config": {"secret": planted[3], "colour": planted[3]}})
    assert refused.status_code == 400
    generated = rotate(management_base, created["id"], {})["secret"]
    texts = [refused.text, management_base.call("GET", path).text, management_base.call("GET", f"{path}/versions").text]
    texts += [management_base.call("GET", f"{path}/versions/{number}").text for number in range(1, 5)]
    texts += [str(management_base.rows(statement)) for statement in EVERYTHING_WRITTEN]
    texts.append(whole_log())
    for secret in (*planted, generated):
        assert not [text for text in texts if secret in text]
