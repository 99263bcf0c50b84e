"""Samples of presets as the receiver meets them: their requests, schemes, verifiers and answers."""

from typing import Any
from urllib.parse import urlsplit

import orjson

from infra.actions.registry import load_actions
from infra.enrichment.clients import surroundings_of
from infra.jsonata import Limits
from infra.presets import load_presets
from infra.proofs.handshakes import HandshakeAnswer, compile_handshakes, handshake_rules
from infra.proofs.requests import Secret, SignedRequest, Verify
from infra.proofs.verify import build_verifier
from infra.requests.bindings import PlannedRequest
from infra.requests.headers import stored_of
from infra.requests.plan import compile_plan
from infra.settings import Settings
from schemas.bodies import BodyError, parse_body
from schemas.presets import Preset, PresetSample, SuggestedHandler
from schemas.webhooks import ActionHandler, PresetAuth
from tests.support.requests import webhook_config

PRESETS = load_presets()
ACTIONS = load_actions()
LIMITS = Limits(timeout_seconds=1.0)
Case = tuple[Preset, PresetSample]


def is_proven(preset: Preset, sample: PresetSample) -> bool:
    """Whether the sample shows a proof: any but handshakes of a sender that asks before it can prove anything."""
    return sample.answer is None or all(rule.proof == "required" for rule in preset.handshakes)


def headers_of(sample: PresetSample) -> dict[str, str]:
    return {name.lower(): value for name, value in sample.headers.items()}


def request_of(sample: PresetSample) -> SignedRequest:
    url = urlsplit(sample.url)
    base_url, body = f"{url.scheme}://{url.netloc}", sample.body.encode()
    return SignedRequest(sample.method, url.path, url.query, headers_of(sample), body, "192.0.2.1", base_url)


def without_secret(preset: Preset, fields: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name != preset.secret_field}


def auth_of(preset: Preset, fields: dict[str, str]) -> PresetAuth:
    return PresetAuth.model_validate({"type": "preset", "preset": preset.name, **without_secret(preset, fields)})


def secrets_of(preset: Preset, fields: dict[str, str]) -> list[Secret]:
    return [Secret(fields[preset.secret_field].encode(), None)] if preset.secret_field else []


def verifier_of(preset: Preset, fields: dict[str, str]) -> Verify:
    return build_verifier(auth_of(preset, fields), secrets_of(preset, fields), PRESETS)


def verdict(case: Case, request: SignedRequest | None = None, *, later_seconds: int = 0) -> str | None:
    preset, sample = case
    now_us = (sample.at + later_seconds) * 1_000_000
    return verifier_of(preset, sample.fields)(request or request_of(sample), now_us)


def with_another_key(case: Case) -> dict[str, str]:
    """The sample's fields with one character of the secret (or public key) changed."""
    preset, sample = case
    right = sample.fields[preset.key_field]
    middle = len(right) // 2
    wrong = right[:middle] + ("1" if right[middle] == "0" else "0") + right[middle + 1 :]
    return sample.fields | {preset.key_field: wrong}


def answer_of(case: Case, fields: dict[str, str], *, proven: bool) -> HandshakeAnswer | None:
    preset, sample = case
    handshakes = compile_handshakes(handshake_rules(auth_of(preset, fields), None, PRESETS), secrets_of(preset, fields))
    return handshakes.find(request_of(sample), proven=proven, now_us=sample.at * 1_000_000)


def parsed(sample: PresetSample) -> Any:
    """The body as JSON; None where it is none, as in some vectors of documentations."""
    try:
        return parse_body(sample.body.encode(), headers_of(sample).get("content-type"))
    except BodyError:
        return None


def blanked(sample: PresetSample) -> Any:
    """The sample's body with null for every value; its lists, its objects and JSON within text keep their shape."""
    return _blank(parsed(sample))


def _blank(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _blank(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_blank(item) for item in value]
    if isinstance(value, str) and value.startswith("{"):
        try:
            return orjson.dumps(_blank(orjson.loads(value))).decode()
        except orjson.JSONDecodeError:
            return None
    return None


def mapped(preset: Preset, sample: PresetSample, metadata: dict[str, str]) -> dict[str, Any]:
    """The typed fields that the suggested handler makes of a sample."""
    assert preset.suggested is not None
    return _handled(preset, preset.suggested, sample, metadata)


def device_fields(preset: Preset, metadata: dict[str, str], body: str | None = None) -> dict[str, Any]:
    """The typed fields that the handler for devices makes of its sample, or of another body."""
    assert preset.devices is not None
    event = next(sample for sample in preset.samples if sample.answer is None)
    told = event.model_copy(update={"body": preset.devices.sample.body if body is None else body})
    return _handled(preset, preset.devices.handler, told, metadata)


def _handled(
    preset: Preset, suggested: SuggestedHandler, sample: PresetSample, metadata: dict[str, str]
) -> dict[str, Any]:
    handler = ActionHandler(action=suggested.action, field_mapping=suggested.field_mapping)
    config = webhook_config(handler_config=handler, idempotency_source=None, metadata=metadata)
    headers = stored_of(auth_of(preset, sample.fields), PRESETS).pick(headers_of(sample))
    facts = orjson.dumps({"headers": headers, "query": {}, "content_type": headers.get("content-type")})
    request = PlannedRequest(
        sample.body.encode(), facts, "0197a1c2-5d40-7c3e-9b1a-3f0e5d2c1b0a", sample.at * 1_000_000, None, None
    )
    evaluated = compile_plan(config, ACTIONS, surroundings_of(Settings()), engine="jlens", limits=LIMITS).evaluate(
        request
    )
    assert evaluated.refusal is None
    return evaluated.fields or {}
