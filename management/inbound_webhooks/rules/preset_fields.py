"""A preset by name, and the fields that are its own."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from management.inbound_webhooks.rules.problems import Problems, joined
from schemas.presets import Preset, PresetField

_PATH = "auth_config"
_BESIDE_FIELDS = frozenset({"type", "preset", "ip_cidrs"})
_NEAR_MAX = 3
_NEAR_FROM = 0.5


def check_preset_fields(config: Mapping[str, Any], presets: Mapping[str, Preset], problems: Problems) -> None:
    """`config` is `auth_config` without the preset's secret; values that are null count as left out."""
    name, path = config.get("preset"), joined(_PATH, "preset")
    if not isinstance(name, str) or problems.at(path):
        return
    preset = presets.get(name)
    if preset is None:
        near = get_close_matches(name, presets, n=_NEAR_MAX, cutoff=_NEAR_FROM)
        hint = f"did you mean {' or '.join(near)}?" if near else "GET /api/v1/inbound-webhooks/presets lists them"
        problems.add(path, f"preset: there is none called {name!r}; {hint}")
        return
    fields = {name: field for name, field in preset.fields.items() if name != preset.secret_field}
    for member in config.keys() - _BESIDE_FIELDS - fields.keys():
        known = f"it has {', '.join(preset.fields)}" if preset.fields else "it has none"
        problems.add(joined(_PATH, member), f"{member} is not a field of the preset {name}: {known}")
    for member, field in fields.items():
        message = _problem(member, field, config.get(member))
        if message is not None:
            problems.add(joined(_PATH, member), message)


def _problem(name: str, field: PresetField, value: Any) -> str | None:
    if value is None:
        if not field.required or field.default is not None:
            return None
        return f"{name} is required: {field.title}. {field.description}".strip()
    if not isinstance(value, str):
        return f"{name} must be text"
    if not 1 <= len(value) <= field.length_max:
        return f"{name} must have 1 to {field.length_max:,} characters"
    if field.pattern is not None and re.fullmatch(field.pattern, value) is None:
        return f"{name} has a form that is not allowed: {field.title}. {field.description}".strip()
    return None
