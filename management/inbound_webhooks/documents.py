"""From the body of a call to the document that is checked: types agreed on, secret taken out, the rest completed.

A document has the members of `InboundWebhookSettings` as JSON values, not yet checked.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from infra.merge_patch import merge_patch
from management.inbound_webhooks.rules.handler import HANDLER_TYPES
from management.inbound_webhooks.rules.problems import Problems, check_numbers
from management.inbound_webhooks.rules.proof import SCHEMES
from management.inbound_webhooks.schemas import READ_ONLY, InboundWebhookSettings, Json
from management.inbound_webhooks.secret_forms import same_scheme, secret_form
from schemas.presets import Preset, TokenProof

#: What a PUT has to say; the rest stays as it is where it is left out.
REQUIRED = ("name", "slug", "handler_config")
_MEMBERS = frozenset(InboundWebhookSettings.model_fields)
_PARTS = (("auth_type", "auth_config"), ("handler_type", "handler_config"))
_TYPES: Mapping[str, tuple[str, ...]] = {"auth_type": tuple(SCHEMES), "handler_type": HANDLER_TYPES}
#: What a handler without its type is checked as, so that every problem comes at once.
_TELLING = {"action": "direct_action", "workflow_id": "workflow"}
#: What of `auth_config` means the same for every scheme, and so outlives a change of the scheme.
_OF_EVERY_SCHEME = ("ip_cidrs",)
_OF_EVERY_PRESET = ("type", "preset", *_OF_EVERY_SCHEME)
Presets = Mapping[str, Preset]


class Document(NamedTuple):
    """`secret` is what the body gave for it, unchecked: None where it gave none."""

    members: Json
    secret: Any


def of_creation(body: Json, presets: Presets, problems: Problems) -> Document:
    """A new webhook; what it does not say of its dedupe key and of redaction, its preset does.

    Raises ValidationFailedError.
    """
    for name in sorted(READ_ONLY & body.keys()):
        problems.add(name, f"{name} cannot be set")
    members = _settable(body, problems)
    for outer, inner in _PARTS:
        members[outer] = _agreed_type(body, outer, inner, None, problems)
        config = members.get(inner, {} if inner == "auth_config" else None)
        members[inner] = _typed(config, members[outer])
    if "handler_config" not in body:
        problems.add("handler_config", "handler_config is required")
    return _without_secret({**_of_preset(members, presets), **members}, presets)


def of_replacement(body: Json, settings: InboundWebhookSettings, presets: Presets, problems: Problems) -> Document:
    """A PUT. What the body leaves out stays, also within the configuration of the same scheme and the same action.

    A client therefore never resets what it does not know; `null` or an empty list say that something is to go.
    """
    given = _settable(body, problems)
    for name in REQUIRED:
        if name not in given:
            problems.add(name, f"{name} is required")
    current = settings.as_json()
    members = {**current, **given}
    for outer, inner in _PARTS:
        members[outer] = _agreed_type(given, outer, inner, None, problems)
        config = given.get(inner, {} if members[outer] != current[outer] else current[inner])
        if isinstance(config, dict):
            config = {**_kept(inner, config, members[outer], current), **config}
        members[inner] = _typed(config, members[outer])
    return _without_secret(members, presets)


def of_patch(body: Json, settings: InboundWebhookSettings, presets: Presets, problems: Problems) -> Document:
    """A PATCH (RFC 7396): null takes a member away, so that it has its default; objects merge.

    With another scheme, preset or handler type, members that only the old one had go by themselves.
    """
    given = _settable(body, problems)
    current = settings.as_json()
    for outer, inner in _PARTS:
        wanted = _agreed_type(given, outer, inner, current[outer], problems)
        config = given.get(inner)
        if wanted != current[outer] or inner == "auth_config":
            current[inner] = dict(_kept(inner, config if isinstance(config, dict) else {}, wanted, current))
        current[inner].pop("type", None)
        current[outer] = wanted
    members = merge_patch(current, {name: value for name, value in given.items() if name not in _TYPES})
    for outer, inner in _PARTS:
        members[inner] = _typed(members.get(inner, {}), members[outer])
    return _without_secret(members, presets)


def of_version(config: Json, problems: Problems) -> Document:
    """What a version was, as it was kept."""
    given = _settable(config, problems)
    for outer, inner in _PARTS:
        given[outer] = _agreed_type(config, outer, inner, None, problems)
        given[inner] = _typed(config.get(inner), given[outer])
    return Document(given, None)


def _settable(body: Json, problems: Problems) -> Json:
    """What the body has of members that can be set. Raises ValidationFailedError."""
    given = {name: value for name, value in body.items() if name not in READ_ONLY}
    check_numbers(given)
    for name in sorted(given.keys() - _MEMBERS):
        problems.add(name, f"{name} is not a member of a webhook")
    return {name: value for name, value in given.items() if name in _MEMBERS}


def _agreed_type(body: Json, outer: str, inner: str, default: str | None, problems: Problems) -> str | None:
    """The type that the body names, beside the configuration or in it; a problem where there is none."""
    config = body.get(inner)
    within = config.get("type") if isinstance(config, dict) else None
    named = body.get(outer, within if within is not None else default)
    if named is None:
        problems.add(outer, f"{outer} is required")
        members = config if isinstance(config, dict) and inner == "handler_config" else {}
        return next((kind for member, kind in _TELLING.items() if member in members), None)
    if named not in _TYPES[outer]:
        problems.add(outer, f"{outer} must be one of {', '.join(_TYPES[outer])}")
        return None
    if within is not None and within != named:
        problems.add(f"{inner}.type", f"{inner}.type and {outer} differ: {within!r} and {named!r}")
    return str(named)


def _kept(inner: str, config: Json, wanted: str | None, current: Json) -> Json:
    """What a configuration keeps of the one before, where it says nothing else."""
    before: Json = current[inner]
    if inner == "handler_config":
        same_action = config.get("action", before.get("action")) == before.get("action")
        return before if wanted == current["handler_type"] and same_action else {}
    if same_scheme(wanted, {"preset": before.get("preset"), **config}, current["auth_type"], before):
        return before
    return {name: before[name] for name in _OF_EVERY_SCHEME if before.get(name)}


def _typed(config: Any, wanted: str | None) -> Any:
    """The configuration with the type that was agreed on, without options and fields of a preset that are null: these
    are not set."""
    if not isinstance(config, dict):
        return config
    typed = {**config, "type": wanted}
    if wanted == "direct_action":
        return {
            name: value for name, value in typed.items() if value is not None or name in ("action", "field_mapping")
        }
    if wanted == "preset":
        return {name: value for name, value in typed.items() if value is not None or name in _OF_EVERY_PRESET}
    return typed


def _without_secret(members: Json, presets: Presets) -> Document:
    config = members["auth_config"]
    form = secret_form(members["auth_type"], config, presets)
    if form is None or not isinstance(config, dict):
        return Document(members, None)
    auth_config = {name: value for name, value in config.items() if name != form.member}
    return Document({**members, "auth_config": auth_config}, config.get(form.member))


def _of_preset(members: Json, presets: Presets) -> Json:
    """What a new webhook takes from its preset: what names an event, and that a secret in the body is masked."""
    config = members["auth_config"]
    name = config.get("preset") if members["auth_type"] == "preset" and isinstance(config, dict) else None
    preset = presets.get(name) if isinstance(name, str) else None
    if preset is None:
        return {}
    taken: Json = {}
    if preset.idempotency_source is not None:
        taken["idempotency_source"] = preset.idempotency_source.model_dump(mode="json")
    if isinstance(preset.proof, TokenProof) and preset.proof.place == "body" and preset.proof.name is not None:
        taken["redact_paths"] = [preset.proof.name]
    return taken
