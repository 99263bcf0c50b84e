"""A scheme as the pipeline has it, from the one that the API shows."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from management.inbound_webhooks.secret_forms import needs_secret
from schemas.webhooks import AuthConfig

_AUTH: TypeAdapter[AuthConfig] = TypeAdapter(AuthConfig)


def auth_of(config: Mapping[str, Any]) -> AuthConfig:
    """Of an `auth_config` in order, as JSON with its type; what stands for its secret opens nothing."""
    sealed = {"secrets": [{"sealed": ""}]} if needs_secret(config["type"]) else {}
    return _AUTH.validate_python({**config, **sealed})
