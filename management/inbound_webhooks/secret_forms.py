"""Which member of `auth_config` is a webhook's secret, and what it has to look like: the one place that knows.

The member can be set and is never shown. Pure but for `SecretForm.generate`.
"""

import base64
import secrets
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from schemas.presets import Preset
from schemas.webhooks import SECRET_LENGTH_MAX, SECRET_LENGTH_MIN

SECRET_BYTES = 32
_WHSEC_PREFIX = "whsec_"
_MEMBERS = {"hmac_sha256": "secret", "bearer": "token", "basic": "password", "api_key": "key", "path_token": "token"}
#: Names that secrets go by, whatever the scheme.
SECRET_NAMES = frozenset(_MEMBERS.values())


class SecretForm(NamedTuple):
    """`member` of `auth_config`; `generated` None: the sender gives it out. `pattern` holds the whole of it, and
    `description` says what it is and where the sender shows it."""

    member: str
    generated: Literal["token", "whsec"] | None = "token"
    length_min: int = SECRET_LENGTH_MIN
    length_max: int = SECRET_LENGTH_MAX
    pattern: str | None = None
    description: str = ""

    def generate(self) -> str:
        """32 random bytes as text, in the form that the scheme has."""
        if self.generated == "whsec":
            return _WHSEC_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        return secrets.token_urlsafe(SECRET_BYTES)


_STANDARD_FORM = SecretForm("secret", "whsec", pattern=r"whsec_[A-Za-z0-9+/]+={0,2}", description="whsec_ and base64")


def needs_secret(auth_type: str) -> bool:
    """Whether the scheme has a secret however it is configured."""
    return auth_type in _MEMBERS


def secret_form(auth_type: str | None, config: Any, presets: Mapping[str, Preset]) -> SecretForm | None:
    """The secret of a scheme with this `auth_config`; None where it has none: a public key, or no such preset."""
    members = config if isinstance(config, dict) else {}
    if auth_type == "standard_webhooks":
        return None if members.get("public_key") is not None else _STANDARD_FORM
    if auth_type == "preset":
        name = members.get("preset")
        return _preset_form(presets.get(name) if isinstance(name, str) else None)
    member = _MEMBERS.get(auth_type or "")
    return None if member is None else SecretForm(member)


def same_scheme(auth_type: str | None, config: Any, other_type: str, other_config: Mapping[str, Any]) -> bool:
    """Whether a secret of the one is a secret of the other: the same type, and the same preset."""
    if auth_type != other_type:
        return False
    return auth_type != "preset" or (isinstance(config, dict) and config.get("preset") == other_config.get("preset"))


def _preset_form(preset: Preset | None) -> SecretForm | None:
    if preset is None or preset.secret_field is None:
        return None
    field = preset.fields[preset.secret_field]
    description = f"{preset.title}, {field.title}. {field.description}".strip()
    return SecretForm(
        preset.secret_field, field.generated, field.length_min, field.length_max, field.pattern, description
    )
