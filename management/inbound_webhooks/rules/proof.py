"""The scheme of proof: its members, its networks, the secret that comes with it, and whether it can be used at all."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from infra.addresses import parse_networks
from infra.proofs.errors import ProofError
from infra.proofs.requests import Secret
from infra.proofs.verify import build_verifier
from management.inbound_webhooks.rules.preset_fields import check_preset_fields
from management.inbound_webhooks.rules.problems import Problems, check_shape, joined
from management.inbound_webhooks.schemes import auth_of
from management.inbound_webhooks.secret_forms import SecretForm
from schemas.presets import Preset
from schemas.webhooks import (
    PLACEHOLDER_PATTERN,
    ApiKeyScheme,
    BasicScheme,
    BearerScheme,
    HmacScheme,
    IpAllowlistScheme,
    NoScheme,
    PathTokenScheme,
    PresetScheme,
    StandardWebhooksScheme,
)

SCHEMES: Mapping[str, type[BaseModel]] = {
    "hmac_sha256": HmacScheme,
    "bearer": BearerScheme,
    "basic": BasicScheme,
    "api_key": ApiKeyScheme,
    "path_token": PathTokenScheme,
    "standard_webhooks": StandardWebhooksScheme,
    "preset": PresetScheme,
    "ip_allowlist": IpAllowlistScheme,
    "none": NoScheme,
}
_PATH = "auth_config"
_BRACED = re.compile(r"\{[^{}]*\}")
_PLACEHOLDER = re.compile(PLACEHOLDER_PATTERN)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: Where the words of a shape say too little.
_SAID_OTHERWISE = {
    ("none", f"{_PATH}.acknowledge_unauthenticated"): (
        "acknowledge_unauthenticated must be true: with auth_type none anyone who knows the URL may send requests"
    ),
    ("standard_webhooks", f"{_PATH}.secret"): (
        "secret and public_key are two ways to sign: give one of them, and null for the other"
    ),
    ("standard_webhooks", f"{_PATH}.public_key"): "public_key must be whpk_ and the base64 of 32 bytes",
}


def check_proof(auth_type: str, config: Any, presets: Mapping[str, Preset], problems: Problems) -> None:
    """`config` is `auth_config` without its secret; `auth_type` is one of SCHEMES."""
    scheme = Problems()
    check_shape(SCHEMES[auth_type], config, _PATH, scheme)
    for problem in scheme.found:
        problems.add(problem.path, _SAID_OTHERWISE.get((auth_type, problem.path), problem.message))
    if auth_type == "hmac_sha256" and isinstance(config, dict):
        _check_signed_payload(config.get("signed_payload"), problems)
    if auth_type == "preset" and isinstance(config, dict):
        check_preset_fields(config, presets, problems)
    networks = config.get("ip_cidrs") if isinstance(config, dict) else None
    for number, text in enumerate(networks if isinstance(networks, list) else ()):
        path = joined(_PATH, "ip_cidrs", number)
        if isinstance(text, str) and not problems.at(path):
            try:
                parse_networks([text])
            except ValueError as error:
                problems.add(path, f"ip_cidrs: {error}")


def _check_signed_payload(template: Any, problems: Problems) -> None:
    path = joined(_PATH, "signed_payload")
    for part in _BRACED.findall(template) if isinstance(template, str) else ():
        if _PLACEHOLDER.fullmatch(part) is None:
            known = "{body}, {timestamp}, {id}, {method}, {path} and {header:NAME}"
            problems.add(path, f"signed_payload: {part} is no placeholder; there are {known}")


def check_secret(path: str, form: SecretForm, secret: Any, problems: Problems) -> str | None:
    """A secret that was given, None with a problem; it is never part of a message."""
    member = path.rpartition(".")[2]
    if not isinstance(secret, str):
        problems.add(path, f"{member} must be text")
    elif not form.length_min <= len(secret) <= form.length_max:
        problems.add(path, f"{member} must have {form.length_min} to {form.length_max:,} characters")
    elif _CONTROL.search(secret) or secret != secret.strip():
        problems.add(path, f"{member} must not have control characters, nor blanks at its ends")
    elif form.pattern is not None and re.fullmatch(form.pattern, secret) is None:
        problems.add(path, f"{member} has a form that is not allowed: {form.description}")
    else:
        return secret
    return None


def missing_secret(path: str, form: SecretForm) -> str:
    """What is said where a secret is needed that only the sender can tell."""
    return f"{path.rpartition('.')[2]} is required, since the sender gives it out: {form.description}"


def unusable(config: Mapping[str, Any], secret: str | None, presets: Mapping[str, Preset]) -> str | None:
    """Why no verifier can be built of an `auth_config` in order with this secret (None: it stays what it is).

    Keys that are no keys show only here: base64 that is none, or of the wrong length. The words name no value.
    """
    secrets = [] if secret is None else [Secret(secret.encode(), None)]
    try:
        build_verifier(auth_of(config), secrets, presets)
    except ProofError as error:
        return str(error)
    return None
