"""Presets over the API: listed without a secret, and webhooks that are made with each of them."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook as StandardWebhook

from infra.presets import load_presets
from infra.proofs.requests import Secret, SignedRequest
from infra.proofs.verify import build_verifier
from infra.secretbox import load_secret_box, webhook_context
from schemas.presets import Preset, PresetSample
from tests.support.management import ManagementBase, bearer, management_base
from tests.support.webhooks import (
    WEBHOOKS,
    Json,
    create_webhook,
    get_webhook,
    problems_of,
    record_of,
    refused_webhook,
    webhook_body,
)

__all__ = ["management_base"]

PRESETS = load_presets()
NAMES = sorted(PRESETS)
PRESET_PATH = f"{WEBHOOKS}/presets"
STRIPE_SECRET = "whsec_of-stripe-which-is-no-base64"
META_SECRET = "0123456789abcdef0123456789abcdef"
PUBLIC_KEY = "whpk_" + base64.b64encode(bytes(range(32))).decode()


def with_preset(name: str, **fields: Any) -> Json:
    """Members that make a webhook of the preset."""
    return {"auth_type": "preset", "auth_config": {"preset": name, **fields}}


def opened(base: ManagementBase, webhook_id: str) -> list[Secret]:
    """The secrets of a webhook, in the clear."""
    record = record_of(base, webhook_id)
    assert record is not None
    box, context = load_secret_box(base.settings), webhook_context(record.tenant_id, record.webhook_id)
    return [Secret(box.open(one.sealed, context=context).encode(), None) for one in record.auth_config.secrets]


def texts_of(value: Any) -> list[str]:
    """Every text in a JSON value, names and values."""
    if isinstance(value, dict):
        return [*value, *(text for member in value.values() for text in texts_of(member))]
    if isinstance(value, list):
        return [text for item in value for text in texts_of(item)]
    return [value] if isinstance(value, str) else []


def test_all_presets_are_listed_without_what_proves_anything(management_base: ManagementBase) -> None:
    answer = management_base.call("GET", PRESET_PATH)
    assert answer.status_code == 200, answer.text
    shown = {one["name"]: one for one in answer.json()["data"]}
    assert sorted(shown) == NAMES
    assert answer.json()["meta"]["total"] == len(NAMES)
    for name, preset in PRESETS.items():
        texts = texts_of(shown[name]["samples"])
        secrets = {sample.fields[preset.secret_field] for sample in preset.samples if preset.secret_field is not None}
        assert not [secret for secret in secrets if any(secret in text for text in texts)], name
        assert shown[name]["secret_field"] == preset.secret_field
        assert shown[name]["proof"]
        assert len(shown[name]["handshakes"]) == len(preset.handshakes)
        assert (shown[name]["accepted"] == "200 with the delivery id") == (preset.accepted is None)


def test_one_preset_is_shown_as_in_the_list_and_another_is_not_found(management_base: ManagementBase) -> None:
    listed = management_base.call("GET", PRESET_PATH).json()["data"]
    [github] = [one for one in listed if one["name"] == "github"]
    assert management_base.call("GET", f"{PRESET_PATH}/github").json() == github
    assert "X-Hub-Signature-256" in github["proof"]
    assert management_base.call("GET", f"{PRESET_PATH}/githup").status_code == 404


def fits(preset: Preset, sample: PresetSample) -> bool:
    """Whether the sample's secret could be one: vectors of documentations are short."""
    secret = sample.fields.get(preset.secret_field or "")
    return secret is None or preset.fields[preset.key_field].length_min <= len(secret)


@pytest.mark.parametrize("name", NAMES)
def test_a_webhook_of_every_preset_takes_the_presets_own_samples(management_base: ManagementBase, name: str) -> None:
    preset = PRESETS[name]
    sample = next(one for one in preset.samples if one.answer is None and fits(preset, one))
    created = create_webhook(management_base, f"preset-{name}", **with_preset(name, **sample.fields))
    assert "secret" not in created
    assert (preset.secret_field or "secret") not in created["auth_config"]
    taken = None if preset.idempotency_source is None else preset.idempotency_source.model_dump()
    assert created["idempotency_source"] == taken
    assert created["handshake_token"] is None or preset.handshakes
    record = record_of(management_base, created["id"])
    assert record is not None
    secrets = opened(management_base, created["id"])
    assert len(secrets) == int(preset.secret_field is not None)
    path, _, query = sample.url.removeprefix("https://hooks.example.com").partition("?")
    request = SignedRequest(
        sample.method,
        path,
        query,
        {name.lower(): value for name, value in sample.headers.items()},
        sample.body.encode(),
        "192.0.2.1",
        "https://hooks.example.com",
    )
    verify = build_verifier(record.auth_config, secrets, PRESETS)
    assert verify(request, sample.at * 1_000_000) is None
    again = management_base.call("PUT", f"{WEBHOOKS}/{created['id']}", json=get_webhook(management_base, created["id"]))
    assert (again.status_code, again.json()["version"]) == (200, 1), again.text


@pytest.mark.parametrize("name", [name for name in NAMES if PRESETS[name].secret_field is not None])
def test_a_secret_is_made_where_the_sender_takes_one_and_asked_for_where_it_does_not(
    management_base: ManagementBase, name: str
) -> None:
    preset = PRESETS[name]
    fields = {field: value for field, value in preset.samples[0].fields.items() if field != preset.secret_field}
    body = webhook_body(f"without-{name}", **with_preset(name, **fields))
    answer = management_base.call("POST", WEBHOOKS, json=body)
    if _secret_of(preset).generated is not None:
        assert answer.status_code == 201, answer.text
        [secret] = opened(management_base, answer.json()["id"])
        assert secret.value.decode() == answer.json()["secret"]
        return
    problems = problems_of(answer)
    assert set(problems) == {f"auth_config.{preset.secret_field}"}
    [message] = problems.values()
    assert message.startswith(f"{preset.secret_field} is required, since the sender gives it out: {preset.title}")
    assert _secret_of(preset).description in message


def _secret_of(preset: Preset) -> Any:
    assert preset.secret_field is not None
    return preset.fields[preset.secret_field]


def test_a_preset_that_is_none_is_refused_with_near_names(management_base: ManagementBase) -> None:
    problems = refused_webhook(management_base, **with_preset("githup", secret="open-sesame-open-sesame"))
    assert problems == {"auth_config.preset": "preset: there is none called 'githup'; did you mean github or gitlab?"}
    assert "open-sesame" not in repr(problems)
    far = refused_webhook(management_base, **with_preset("zzzzzzzz"))
    assert far["auth_config.preset"].endswith("GET /api/v1/inbound-webhooks/presets lists them")


def test_fields_of_a_preset_are_held_to_their_rules(management_base: ManagementBase) -> None:
    problems = refused_webhook(management_base, **with_preset("discord", public_key="not hexadecimal", colour="red"))
    assert set(problems) == {"auth_config.public_key", "auth_config.colour"}
    assert problems["auth_config.colour"] == "colour is not a field of the preset discord: it has public_key"
    assert set(refused_webhook(management_base, **with_preset("discord", public_key=7))) == {"auth_config.public_key"}
    missing = refused_webhook(management_base, **with_preset("discord"))
    assert missing["auth_config.public_key"].startswith("public_key is required: Public key.")
    short = refused_webhook(management_base, **with_preset("github", secret="short"))
    assert short == {"auth_config.secret": "secret must have 16 to 1,024 characters"}


def test_a_null_source_is_kept_as_none_and_another_one_as_it_is(management_base: ManagementBase) -> None:
    none = create_webhook(management_base, "preset-no-key", **with_preset("github"), idempotency_source=None)
    assert none["idempotency_source"] is None
    own = {"type": "jsonata", "value": "issue.id"}
    created = create_webhook(management_base, "preset-own-key", **with_preset("github"), idempotency_source=own)
    assert created["idempotency_source"] == own


def test_a_secret_in_the_body_is_masked_unless_the_webhook_says_otherwise(management_base: ManagementBase) -> None:
    masked = create_webhook(management_base, "graph-masked", **with_preset("microsoft-graph"))
    assert masked["redact_paths"] == ["$.value[*].clientState"]
    shown = create_webhook(management_base, "graph-shown", **with_preset("microsoft-graph"), redact_paths=[])
    assert shown["redact_paths"] == []


def test_a_secret_of_standard_webhooks_is_one_for_other_implementations(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "standard", auth_type="standard_webhooks", auth_config={})
    assert created["secret"].startswith("whsec_")
    assert len(base64.b64decode(created["secret"].removeprefix("whsec_"))) == 32
    StandardWebhook(created["secret"])
    rotated = management_base.call("POST", f"{WEBHOOKS}/{created['id']}/rotate-secret").json()
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != created["secret"]


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"secret": "open-sesame-open-sesame"}, "auth_config.secret"),
        ({"secret": "whsec_open-sesame-open-sesame"}, "auth_config.secret"),
        ({"public_key": "whpk_tooshort"}, "auth_config.public_key"),
        ({"public_key": PUBLIC_KEY, "secret": "whsec_b3BlbiBzZXNhbWUgb3BlbiBzZXNhbWU="}, "auth_config.secret"),
    ],
)
def test_keys_of_standard_webhooks_have_their_form(management_base: ManagementBase, config: Json, path: str) -> None:
    problems = refused_webhook(management_base, auth_type="standard_webhooks", auth_config=config)
    assert set(problems) == {path}
    assert "sesame" not in repr(problems)


def test_schemes_change_with_their_secrets(management_base: ManagementBase) -> None:
    created = create_webhook(
        management_base, "changing", **with_preset("github", ip_cidrs=["192.0.2.0/24"]), idempotency_source=None
    )
    path = f"{WEBHOOKS}/{created['id']}"

    def patched(**config: Any) -> Json:
        answer = management_base.call("PATCH", path, json=config)
        assert answer.status_code == 200, answer.text
        shown: Json = answer.json()
        return shown

    refused = management_base.call("PATCH", path, json={"auth_config": {"preset": "stripe"}})
    assert set(problems_of(refused)) == {"auth_config.secret"}
    stripe = patched(auth_config={"preset": "stripe", "secret": STRIPE_SECRET})
    assert stripe["auth_config"] == {"type": "preset", "preset": "stripe", "ip_cidrs": ["192.0.2.0/24"]}
    assert "secret" not in stripe
    assert [one.value.decode() for one in opened(management_base, created["id"])] == [STRIPE_SECRET]
    keyed = patched(auth_type="standard_webhooks", auth_config={"public_key": PUBLIC_KEY})
    assert keyed["auth_config"]["public_key"] == PUBLIC_KEY
    assert keyed["secret_rotated_at"] is None
    assert opened(management_base, created["id"]) == []
    assert management_base.call("POST", f"{path}/rotate-secret").status_code == 409
    signed = patched(auth_config={"public_key": None})
    assert signed["secret"].startswith("whsec_")
    back = management_base.call("POST", f"{path}/versions/1/restore")
    assert back.status_code == 200, back.text
    assert back.json()["auth_config"]["preset"] == "github"
    assert [one.value.decode() for one in opened(management_base, created["id"])] == [signed["secret"]]


def test_a_restored_version_gets_a_secret_where_the_one_there_is_none_for_it(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "restored-form", auth_type="standard_webhooks", auth_config={})
    path = f"{WEBHOOKS}/{created['id']}"
    token = management_base.call("PATCH", path, json={"auth_type": "bearer"}).json()["secret"]
    restored = management_base.call("POST", f"{path}/versions/1/restore")
    assert restored.status_code == 200, restored.text
    assert restored.json()["secret"].startswith("whsec_")
    assert restored.json()["secret"] not in (token, created["secret"])


def test_a_secret_that_the_sender_gives_out_is_rotated_by_giving_the_next(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "stripe-rotated", **with_preset("stripe", secret=STRIPE_SECRET))
    path = f"{WEBHOOKS}/{created['id']}/rotate-secret"
    assert set(problems_of(management_base.call("POST", path, json={}))) == {"secret"}
    rotated = management_base.call("POST", path, json={"secret": STRIPE_SECRET + "-2"})
    assert rotated.status_code == 200, rotated.text
    values = {one.value.decode() for one in opened(management_base, created["id"])}
    assert values == {STRIPE_SECRET, STRIPE_SECRET + "-2"}
    finalised = management_base.call("POST", f"{WEBHOOKS}/{created['id']}/finalise-rotation")
    assert finalised.status_code == 200
    assert [one.value.decode() for one in opened(management_base, created["id"])] == [STRIPE_SECRET + "-2"]


def test_a_handshake_token_is_shown_to_whoever_may_update_and_follows_the_secret(
    management_base: ManagementBase,
) -> None:
    created = create_webhook(management_base, "meta", **with_preset("meta", secret=META_SECRET))
    path = f"{WEBHOOKS}/{created['id']}"
    token = created["handshake_token"]
    assert len(token) == 32
    assert int(token, 16)
    assert META_SECRET not in token
    assert get_webhook(management_base, created["id"])["handshake_token"] == token
    reader = bearer(management_base.new_key("inbound_webhook:read"))
    assert management_base.call("GET", path, headers=reader).json()["handshake_token"] is None
    listed = management_base.call("GET", WEBHOOKS, params={"slug": "meta"}).json()["data"][0]
    assert "handshake_token" not in listed
    rotated = management_base.call("POST", f"{path}/rotate-secret", json={"secret": META_SECRET[::-1]}).json()
    assert rotated["handshake_token"] not in (None, token)
    assert get_webhook(management_base, created["id"])["handshake_token"] == rotated["handshake_token"]
    stored = management_base.rows("SELECT to_jsonb(w)::text AS row FROM webhooks w WHERE id = %s", (created["id"],))
    assert token not in stored[0]["row"]
    other = create_webhook(management_base, "no-token", **with_preset("github"))
    assert other["handshake_token"] is None


def test_a_signed_id_cannot_be_got_round(management_base: ManagementBase) -> None:
    standard: Json = {"auth_type": "standard_webhooks", "auth_config": {"tolerance_seconds": 600}}
    problems = refused_webhook(
        management_base,
        **standard,
        idempotency_source={"type": "header", "value": "X-Request-Id"},
        idempotency_window_seconds=1_199,
    )
    assert set(problems) == {"idempotency_source.value", "idempotency_window_seconds"}
    assert "X-Request-Id" in problems["idempotency_source.value"]
    assert "at least 1200" in problems["idempotency_window_seconds"]
    covered = {"type": "header", "value": "Webhook-Id"}
    create_webhook(management_base, "guarded", **standard, idempotency_source=covered, idempotency_window_seconds=1_200)
    shorter = {"auth_config": {"tolerance_seconds": 601}}
    created = management_base.call("GET", WEBHOOKS, params={"slug": "guarded"}).json()["data"][0]
    changed = management_base.call("PATCH", f"{WEBHOOKS}/{created['id']}", json=shorter)
    assert set(problems_of(changed)) == {"idempotency_window_seconds"}
    of_body = {"type": "jsonata", "value": "id"}
    create_webhook(management_base, "guarded-by-body", **standard, idempotency_source=of_body)


def test_nothing_of_a_secret_is_in_versions_or_the_audit(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "stripe-audited", **with_preset("stripe", secret=STRIPE_SECRET))
    written = management_base.rows("SELECT config FROM webhook_versions WHERE webhook_id = %s", (created["id"],))
    written += management_base.rows("SELECT after FROM audit_entries WHERE resource_id = %s", (created["id"],))
    assert len(written) == 2
    assert STRIPE_SECRET not in orjson.dumps(written).decode()


def test_a_webhook_whose_preset_is_gone_can_be_seen_and_mended(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "orphaned", **with_preset("github"))
    path = f"{WEBHOOKS}/{created['id']}"
    management_base.write(
        "UPDATE webhooks SET auth_config = jsonb_set(auth_config, '{preset}', '\"gone\"') WHERE id = %s",
        (created["id"],),
    )
    shown = get_webhook(management_base, created["id"])
    assert (shown["auth_config"]["preset"], shown["handshake_token"]) == ("gone", None)
    assert management_base.call("GET", WEBHOOKS, params={"slug": "orphaned"}).status_code == 200
    renamed = management_base.call("PATCH", path, json={"name": "Other"})
    assert set(problems_of(renamed)) == {"auth_config.preset"}
    rotated = management_base.call("POST", f"{path}/rotate-secret")
    assert (rotated.status_code, "gone" in rotated.text) == (409, True)
    tried = management_base.call("POST", f"{path}/test", json={"body": {}, "dry_run": True})
    assert (tried.status_code, "gone" in tried.text) == (409, True)
    explained = management_base.call("POST", f"{path}/explain", json={})
    assert (explained.status_code, explained.json()["reason"]) == (200, "unknown_preset")
    mended = management_base.call("PATCH", path, json={"auth_config": {"preset": "gitlab"}})
    assert mended.status_code == 200, mended.text
    assert mended.json()["secret"]
