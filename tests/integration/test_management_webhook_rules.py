"""What an inbound webhook is held to when it is saved: everything, with every problem at once and its path."""

from __future__ import annotations

import pytest

from management.inbound_webhooks.rules.members import RESERVED_SLUGS
from tests.support.management import ManagementBase, management_base
from tests.support.webhooks import (
    MAPPING,
    WEBHOOKS,
    Json,
    create_webhook,
    get_webhook,
    problems_of,
    refused_webhook,
    ticket_handler,
    webhook_body,
)

__all__ = ["management_base"]

#: As it stands in the documentation that senders' admins copy from.
DOCUMENTED = {
    "name": "RMM device updates",
    "slug": "rmm-device-updates",
    "auth_type": "hmac_sha256",
    "auth_config": {"signature_header": "X-RMM-Signature", "secret": "replace-with-shared-secret"},
    "idempotency_source": {"type": "jsonata", "value": "event.id"},
    "handler_type": "direct_action",
    "handler_config": {
        "action": "upsertAssetByExternalId",
        "field_mapping": {
            "external_id": "device.id",
            "client_external_id": "organization.id",
            "asset_type": "'workstation'",
            "name": "device.hostname",
            "status": "device.status",
            "rmm_snapshot": "$",
        },
    },
    "rate_limit_per_minute": 60,
    "is_active": True,
}

#: Wrong in every member.
WRONG: Json = {
    "id": "0198c0de-0000-7000-8000-000000000000",
    "colour": "red",
    "name": "",
    "slug": "all-at-once-taken",
    "description": "x" * 2_001,
    "is_active": "yes",
    "auth_type": "hmac_sha256",
    "auth_config": {
        "type": "bearer",
        "secret": "too short",
        "signature_header": "no header",
        "algorithm": "md5",
        "ip_cidrs": ["10.0.0.0/8", "10.0.0.1/8", "nowhere"],
        "username": "unknown here",
    },
    "idempotency_source": {"type": "jsonata", "value": "event.["},
    "idempotency_window_seconds": 59,
    "ordering_key": "$headers.order",
    "handler_type": "direct_action",
    "handler_config": {
        "action": "createTicket",
        "on_existing": "explode",
        "on_duplicate": "link",
        "field_mapping": {
            "titel": "alert.title",
            "description": "alert.(",
            "due_date": "'tomorrow'",
            "priority_id": "'Nowhere'",
        },
    },
    "filters": {"all": [{"field": "$.a", "operator": "is", "value": 1}]},
    "metadata": {"list": [1]},
    "validation": {"mode": "warn", "event_type": "no.such"},
    "priority": 4,
    "rate_limit_per_minute": 0,
    "max_body_bytes": 16_777_217,
}
PROBLEMS_OF_WRONG = {
    "id",
    "colour",
    "name",
    "slug",
    "description",
    "is_active",
    "auth_config.type",
    "auth_config.secret",
    "auth_config.signature_header",
    "auth_config.algorithm",
    "auth_config.ip_cidrs.1",
    "auth_config.ip_cidrs.2",
    "auth_config.username",
    "idempotency_source.value",
    "idempotency_window_seconds",
    "ordering_key",
    "handler_config.on_existing",
    "handler_config.on_duplicate",
    f"{MAPPING}.titel",
    f"{MAPPING}.title",
    f"{MAPPING}.client_id",
    f"{MAPPING}.description",
    f"{MAPPING}.due_date",
    f"{MAPPING}.priority_id",
    "filters.all.0.operator",
    "metadata.list",
    "validation.event_type",
    "priority",
    "rate_limit_per_minute",
    "max_body_bytes",
}


def test_the_documented_example_is_accepted_as_written_and_its_secret_never_shown(
    management_base: ManagementBase,
) -> None:
    answer = management_base.call("POST", WEBHOOKS, json=DOCUMENTED)
    assert answer.status_code == 201, answer.text
    assert "replace-with-shared-secret" not in answer.text
    assert "secret" not in answer.json()
    shown = answer.json()
    assert shown["handler_config"]["field_mapping"] == DOCUMENTED["handler_config"]["field_mapping"]  # type: ignore[index]
    assert (shown["rate_limit_per_minute"], shown["is_active"]) == (60, True)
    again = management_base.call("PUT", f"{WEBHOOKS}/{shown['id']}", json=DOCUMENTED)
    assert again.json()["version"] == 1  # the secret it names is the one that is good


def test_a_handler_without_its_type_is_checked_all_the_same(management_base: ManagementBase) -> None:
    body = webhook_body("typeless")
    del body["handler_type"]
    body["handler_config"] = {
        "action": "createTicket",
        "field_mapping": {"title": "a.(b", "client_id": "c", "foo": "1"},
    }
    assert problems_of(management_base.call("POST", WEBHOOKS, json=body)).keys() == {
        "handler_type",
        f"{MAPPING}.title",
        f"{MAPPING}.foo",
    }


def test_a_webhook_that_is_too_large_to_be_published_is_refused_and_stays_as_it_was(
    management_base: ManagementBase,
) -> None:
    webhook = create_webhook(management_base, "too-large")
    filters = {"all": [{"field": "$.a", "operator": "in", "value": [f"{n:0960}" for n in range(1_000)]}]}
    mapping = {"title": "a /* " + "x" * 60_000 + " */", "client_id": "b"}
    body = {"filters": filters, "handler_config": {"action": "createTicket", "field_mapping": mapping}}
    answer = management_base.call("PATCH", f"{WEBHOOKS}/{webhook['id']}", json=body)
    assert "at most 1,000,000 can be published" in problems_of(answer)[""]
    assert get_webhook(management_base, webhook["id"])["version"] == webhook["version"]


def test_every_problem_of_a_body_comes_at_once_with_its_path(management_base: ManagementBase) -> None:
    target = create_webhook(management_base, "all-at-once-target")
    create_webhook(management_base, "all-at-once-taken")
    answer = management_base.call(
        "POST",
        WEBHOOKS,
        json={**WRONG, "handler_config": {**WRONG["handler_config"], "external_ids_of": target["id"]}},
    )
    problems = problems_of(answer)
    assert set(problems) == PROBLEMS_OF_WRONG
    assert "too short" not in answer.text
    for path, message in problems.items():
        assert any(member in message for member in path.split(".")[1:] or [path]), (path, message)


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a_b", "ä", "a b", "a" * 65, "a\n"])
def test_a_slug_has_the_form_that_a_url_needs(management_base: ManagementBase, slug: str) -> None:
    assert "slug" in problems_of(management_base.call("POST", WEBHOOKS, json=webhook_body("x", slug=slug)))


def test_slugs_of_integrations_are_reserved_in_any_case_and_with_either_dash(management_base: ManagementBase) -> None:
    assert len(RESERVED_SLUGS) == 20
    for slug in (*sorted(RESERVED_SLUGS), "NinjaOne", "tactical_rmm", "Microsoft_Graph"):
        problems = problems_of(management_base.call("POST", WEBHOOKS, json=webhook_body("x", slug=slug)))
        assert "reserved" in problems["slug"]
    assert create_webhook(management_base, "xero-of-ours")["slug"] == "xero-of-ours"


def test_a_taken_slug_among_other_problems_is_one_of_them(management_base: ManagementBase) -> None:
    create_webhook(management_base, "taken-already")
    answer = management_base.call("POST", WEBHOOKS, json=webhook_body("taken-already", priority=9))
    assert problems_of(answer).keys() == {"slug", "priority"}


def test_a_webhook_keeps_its_slug_and_may_take_a_free_one_but_no_taken_one(management_base: ManagementBase) -> None:
    create_webhook(management_base, "first-slug")
    other = create_webhook(management_base, "second-slug")
    path = f"{WEBHOOKS}/{other['id']}"
    assert management_base.call("PATCH", path, json={"slug": "first-slug"}).status_code == 409
    renamed = management_base.call("PATCH", path, json={"slug": "third-slug"})
    assert renamed.json()["receiver_url"].endswith("/acme/third-slug")


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"auth_type": "mtls"}, "auth_type"),
        ({"auth_type": None}, "auth_type"),
        ({"handler_type": "mail"}, "handler_type"),
        ({"auth_config": []}, "auth_config"),
        ({"handler_config": "createTicket"}, "handler_config"),
        ({"handler_config": {"action": "createTicket"}}, f"{MAPPING}"),
        ({"handler_config": {"action": 5, "field_mapping": {}}}, "handler_config.action"),
        ({"handler_config": {"action": "makeCoffee", "field_mapping": {}}}, "handler_config.action"),
        ({"handler_config": {**ticket_handler(), "type": "workflow"}}, "handler_config.type"),
        ({"auth_type": "basic", "auth_config": {"username": "a:b"}}, "auth_config.username"),
        ({"auth_type": "basic", "auth_config": {}}, "auth_config.username"),
        ({"auth_type": "api_key", "auth_config": {"header": "X Key"}}, "auth_config.header"),
        ({"auth_type": "ip_allowlist", "auth_config": {"ip_cidrs": []}}, "auth_config.ip_cidrs"),
        ({"auth_type": "ip_allowlist", "auth_config": {}}, "auth_config.ip_cidrs"),
        ({"auth_type": "none", "auth_config": {}}, "auth_config.acknowledge_unauthenticated"),
        (
            {"auth_type": "none", "auth_config": {"acknowledge_unauthenticated": False}},
            "auth_config.acknowledge_unauthenticated",
        ),
        ({"auth_config": {"secret": "x" * 1_025}}, "auth_config.secret"),
        ({"auth_config": {"secret": 1234567890123456}}, "auth_config.secret"),
        ({"auth_config": {"secret": "sixteen characters\t"}}, "auth_config.secret"),
        ({"auth_config": {"signed_payload": "{timestamp}.{Body}"}}, "auth_config.signed_payload"),
        ({"auth_config": {"tolerance_seconds": 0}}, "auth_config.tolerance_seconds"),
        ({"auth_config": {"tolerance_seconds": "300"}}, "auth_config.tolerance_seconds"),
        ({"idempotency_source": {"type": "header", "value": "X Event"}}, "idempotency_source.value"),
        ({"idempotency_source": {"type": "cookie", "value": "a"}}, "idempotency_source.type"),
        ({"idempotency_source": {"type": "jsonata", "value": "$headers.id"}}, "idempotency_source.value"),
        ({"ordering_key": ""}, "ordering_key"),
        ({"rate_limit_per_minute": 60_001}, "rate_limit_per_minute"),
        ({"replay_count_max": 1_001}, "replay_count_max"),
        ({"idempotency_window_seconds": 2_592_001}, "idempotency_window_seconds"),
        ({"metadata": {"big": 10**20}}, "metadata.big"),
        ({"metadata": {f"k{number}": "x" * 200 for number in range(90)}}, "metadata"),
        ({"metadata": {"": 1}}, "metadata"),
        ({"metadata": "text"}, "metadata"),
        ({"filters": {"jsonata": "a ["}}, "filters.jsonata"),
        ({"validation": {"mode": "off", "event_type": "ticket.created"}}, "validation.mode"),
        (
            {"validation": {"mode": "warn", "event_type": "ticket.created", "event_version": 9}},
            "validation.event_version",
        ),
        ({"secret": "a-secret-in-the-wrong-place"}, "secret"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_path(management_base: ManagementBase, members: Json, path: str) -> None:
    assert list(refused_webhook(management_base, **members)) == [path]


def test_an_expression_that_does_not_compile_is_refused_with_the_place_of_the_fault(
    management_base: ManagementBase,
) -> None:
    problems = refused_webhook(management_base, handler_config=ticket_handler(description="alert.text & ("))
    assert problems.keys() == {f"{MAPPING}.description"}
    assert "description does not compile" in problems[f"{MAPPING}.description"]
    assert "at character 14" in problems[f"{MAPPING}.description"]


def test_fields_that_are_longer_together_than_the_engine_takes_are_refused(management_base: ManagementBase) -> None:
    text = '"' + "x" * 40_000 + '" & alert.text'
    problems = refused_webhook(management_base, handler_config=ticket_handler(description=text, external_id=text))
    assert problems.keys() == {MAPPING}


@pytest.mark.parametrize("body", ["[]", '"text"', "null", "{", '{"name": "\\u0000"}', '{"name": NaN}'])
def test_a_body_that_is_no_object_or_not_to_be_stored_is_refused(management_base: ManagementBase, body: str) -> None:
    headers = {**management_base.tenant.headers, "Content-Type": "application/json"}
    assert management_base.call("POST", WEBHOOKS, content=body, headers=headers).status_code == 400
