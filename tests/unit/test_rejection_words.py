"""Every reason that the receiver can give has words, and no words are for a reason that nobody gives."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.proofs import requests
from management.inbound_webhooks.schemas import InboundWebhookSettings
from management.rejections.words import WORDS, explanation
from schemas.presets import Preset

ROOT = Path(__file__).parents[2]
#: Where rejections are made. The reason is the third argument; of two alone, the first is outcome and reason in one.
CALLS = {"reject", "_refuse", "_hold_back"}
HANDLER = {"type": "direct_action", "action": "createTicket", "field_mapping": {"title": "a"}}
TREES = [ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "ingress").rglob("*.py"))]
NODES = [node for tree in TREES for node in ast.walk(tree)]


def texts_in(expression: ast.AST) -> Iterator[str]:
    """Texts that the expression may be: those in it, and those that are given to the names in it."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            for assigned in NODES:
                if isinstance(assigned, ast.Assign) and any(_names(target, name) for target in assigned.targets):
                    yield from (
                        found.value
                        for found in ast.walk(assigned.value)
                        if isinstance(found, ast.Constant) and isinstance(found.value, str)
                    )


def _names(target: ast.expr, name: str) -> bool:
    return (isinstance(target, ast.Name) and target.id == name) or (
        isinstance(target, ast.Attribute) and target.attr == name
    )


def reasons_in_ingress() -> set[str]:
    """Texts that are, or may be, the reason argument of a call."""
    found: set[str] = set()
    for node in NODES:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
            found.update(texts_in(node.args[2 if len(node.args) > 2 else 0]))
    return found - {""}


def reasons_of_proofs() -> Iterator[str]:
    for name, value in vars(requests).items():
        if name.isupper() and isinstance(value, str):
            yield value


def test_every_reason_has_words() -> None:
    reasons = reasons_in_ingress() | set(reasons_of_proofs())
    assert {
        "unknown_webhook",
        "disabled_webhook",
        "rate_limited",
        "timed_out",
        "address_limited",
        "rejected_signature",
    } <= reasons
    assert reasons - WORDS.keys() == set()


def test_no_words_are_for_a_reason_that_nobody_gives() -> None:
    given = "".join(
        path.read_text("utf-8") for folder in ("ingress", "infra") for path in (ROOT / folder).rglob("*.py")
    )
    assert [reason for reason in WORDS if f'"{reason}"' not in given] == []


def settings_of(auth_type: str, **config: object) -> InboundWebhookSettings:
    members = {"name": "x", "slug": "x", "auth_type": auth_type, "handler_type": "direct_action"}
    return InboundWebhookSettings.model_validate(
        {**members, "auth_config": {"type": auth_type, **config}, "handler_config": HANDLER}
    )


@pytest.mark.parametrize("reason", sorted(WORDS))
@pytest.mark.parametrize(
    "settings",
    [
        None,
        settings_of("hmac_sha256"),
        settings_of("bearer"),
        settings_of("basic", username="sender"),
        settings_of("standard_webhooks"),
        settings_of("ip_allowlist", ip_cidrs=["192.0.2.0/24"]),
        settings_of("none", acknowledge_unauthenticated=True),
        settings_of("preset", preset="gone"),
    ],
    ids=lambda settings: "unknown" if settings is None else settings.auth_type,
)
def test_an_explanation_is_one_sentence(reason: str, settings: InboundWebhookSettings | None) -> None:
    words = explanation(reason, settings, {})
    assert words[0].isupper()
    assert words.endswith(".")
    assert "None" not in words


def test_words_name_the_header_the_parameter_and_the_tolerance() -> None:
    presets: dict[str, Preset] = {}
    hmac = settings_of("hmac_sha256", signature_header="X-S", timestamp_header="X-T", tolerance_seconds=7)
    assert "in the header X-S" in explanation("rejected_no_auth", hmac, presets)
    assert "in the header X-T (which may be 7 seconds off)" in explanation("rejected_timestamp", hmac, presets)
    assert "in the query parameter t" in explanation(
        "rejected_bearer", settings_of("path_token", query_param="t"), presets
    )
    assert "in the header X-Key" in explanation("rejected_bearer", settings_of("api_key", header="X-Key"), presets)
    standard = settings_of("standard_webhooks", tolerance_seconds=9)
    assert "webhook-timestamp (which may be 9 seconds off)" in explanation("rejected_timestamp", standard, presets)
    networks = settings_of("ip_allowlist", ip_cidrs=["192.0.2.0/24", "198.51.100.0/24"])
    assert "(2 in ip_cidrs)" in explanation("rejected_ip", networks, presets)
    assert "preset gone is not installed" in explanation(
        "unknown_preset", settings_of("preset", preset="gone"), presets
    )
