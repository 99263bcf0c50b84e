"""The models refuse what the contract refuses."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from schemas import records, webhooks
from schemas.webhooks import (
    ActionHandler,
    HmacAuth,
    IdempotencySource,
    PresetAuth,
    PresetScheme,
    SealedSecret,
    WebhookConfig,
)

MODELS = [
    member
    for module in (records, webhooks)
    for _, member in inspect.getmembers(module, inspect.isclass)
    if issubclass(member, BaseModel) and member.__module__ == module.__name__
]
SEALED = SealedSecret(sealed="v1.k.c")
VALID: dict[str, Any] = {
    "tenant_id": "t",
    "tenant_slug": "demo",
    "webhook_id": "w",
    "slug": "rmm-alerts",
    "name": "RMM alerts",
    "version": 1,
    "auth_config": HmacAuth(secrets=(SEALED,)),
    "handler_config": ActionHandler(action="createTicket", field_mapping={}),
}


#: A preset's own fields stand beside; management holds them to the preset.
OPEN = (PresetScheme, PresetAuth)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_frozen_and_refuses_unknown_members(model: type[BaseModel]) -> None:
    assert model.model_config["frozen"] is True
    assert model.model_config["extra"] == ("allow" if model in OPEN else "forbid")


@pytest.mark.parametrize("slug", ["a", "rmm-alerts", "0", "a" * 64, "a--b"])
def test_a_slug_is_lower_case_letters_digits_and_inner_hyphens(slug: str) -> None:
    assert WebhookConfig(**(VALID | {"slug": slug})).slug == slug


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a_b", "a b", "a/b", "a" * 65, "é", "a\n"])
def test_any_other_slug_is_refused(slug: str) -> None:
    with pytest.raises(ValidationError, match="slug"):
        WebhookConfig(**(VALID | {"slug": slug}))


@pytest.mark.parametrize(
    ("member", "lowest", "highest"),
    [
        ("idempotency_window_seconds", 60, 2_592_000),
        ("priority", 0, 3),
        ("rate_limit_per_minute", 1, 60_000),
        ("max_body_bytes", 1, 16_777_216),
        ("replay_count_max", 0, 1_000),
    ],
)
def test_a_number_is_taken_within_its_bounds_only(member: str, lowest: int, highest: int) -> None:
    for value in (lowest, highest):
        assert getattr(WebhookConfig(**(VALID | {member: value})), member) == value
    for value in (lowest - 1, highest + 1):
        with pytest.raises(ValidationError, match=member):
            WebhookConfig(**(VALID | {member: value}))


@pytest.mark.parametrize("count", [0, 3])
def test_one_or_two_secrets_may_be_valid_at_once(count: int) -> None:
    with pytest.raises(ValidationError, match="secrets"):
        HmacAuth(secrets=(SEALED,) * count)
    assert len(HmacAuth(secrets=(SEALED, SEALED)).secrets) == 2


@pytest.mark.parametrize("network", ["nowhere", "10.0.0.1/8", "10.0.0.0/33", ""])
def test_networks_are_checked_where_the_receiver_would_trip_over_them(network: str) -> None:
    auth = {"type": "ip_allowlist", "ip_cidrs": ["10.0.0.0/8", network]}
    with pytest.raises(ValidationError, match="auth_config"):
        WebhookConfig(**(VALID | {"auth_type": "ip_allowlist", "auth_config": auth}))


@pytest.mark.parametrize(("kind", "value"), [("cookie", "x"), ("header", ""), ("jsonata", "x" * 4097)])
def test_an_idempotency_source_is_a_header_or_an_expression_of_bounded_length(kind: str, value: str) -> None:
    with pytest.raises(ValidationError):
        IdempotencySource.model_validate({"type": kind, "value": value})


def test_a_configuration_survives_its_own_json() -> None:
    config = WebhookConfig(**VALID)
    assert WebhookConfig.model_validate_json(config.model_dump_json()) == config
