"""The scheme of proof: its members, its networks, and the secret that comes with it."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from infra.addresses import parse_networks
from management.inbound_webhooks.rules.problems import Problems, check_shape, joined
from schemas.webhooks import (
    PLACEHOLDER_PATTERN,
    SECRET_LENGTH_MAX,
    SECRET_LENGTH_MIN,
    ApiKeyScheme,
    BasicScheme,
    BearerScheme,
    HmacScheme,
    IpAllowlistScheme,
    NoScheme,
    PathTokenScheme,
)

SCHEMES: Mapping[str, type[BaseModel]] = {
    "hmac_sha256": HmacScheme,
    "bearer": BearerScheme,
    "basic": BasicScheme,
    "api_key": ApiKeyScheme,
    "path_token": PathTokenScheme,
    "ip_allowlist": IpAllowlistScheme,
    "none": NoScheme,
}
_PATH = "auth_config"
_BRACED = re.compile(r"\{[^{}]*\}")
_PLACEHOLDER = re.compile(PLACEHOLDER_PATTERN)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNACKNOWLEDGED = (
    "acknowledge_unauthenticated must be true: with auth_type none anyone who knows the URL may send requests"
)


def check_proof(auth_type: str, config: Any, problems: Problems) -> None:
    """`config` is `auth_config` without its secret; `auth_type` is one of SCHEMES."""
    scheme = Problems()
    check_shape(SCHEMES[auth_type], config, _PATH, scheme)
    for problem in scheme.found:
        unacknowledged = problem.path == f"{_PATH}.acknowledge_unauthenticated" and auth_type == "none"
        problems.add(problem.path, _UNACKNOWLEDGED if unacknowledged else problem.message)
    if auth_type == "hmac_sha256" and isinstance(config, dict):
        _check_signed_payload(config.get("signed_payload"), problems)
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


def check_secret(path: str, member: str, secret: Any, problems: Problems) -> str | None:
    """A secret that was given, None with a problem; it is never part of a message."""
    if not isinstance(secret, str):
        problems.add(path, f"{member} must be text")
    elif not SECRET_LENGTH_MIN <= len(secret) <= SECRET_LENGTH_MAX:
        problems.add(path, f"{member} must have {SECRET_LENGTH_MIN} to {SECRET_LENGTH_MAX:,} characters")
    elif _CONTROL.search(secret) or secret != secret.strip():
        problems.add(path, f"{member} must not have control characters, nor blanks at its ends")
    else:
        return secret
    return None
