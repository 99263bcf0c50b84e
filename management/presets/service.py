"""Presets of this installation: the same for every tenant, loaded at the start."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from infra.requests.headers import StoredHeaders, stored_of
from infra.requests.query import parse_query
from management.errors import NotFoundError
from management.paging import Page, PageMeta
from management.presets.schemas import InboundPreset, InboundPresetField, InboundPresetSample
from management.presets.words import accepted_in_words, handshake_in_words, proof_in_words
from schemas.presets import Preset, PresetField, PresetSample
from schemas.webhooks import PresetAuth

#: Stands where a sample had its secret.
_MASK = "…"


class PresetService:
    """Asks no store anything."""

    def __init__(self, presets: Mapping[str, Preset]) -> None:
        self._shown = {name: _shown(presets[name], presets) for name in sorted(presets)}

    def page(self) -> Page[InboundPreset]:
        """All of them on one page, by name."""
        shown = list(self._shown.values())
        return Page(data=shown, meta=PageMeta(page=1, per_page=len(shown), total=len(shown)))

    def get(self, name: str) -> InboundPreset:
        """One of them. Raises NotFoundError."""
        if name not in self._shown:
            raise NotFoundError(f"no preset {name}")
        return self._shown[name]


def _shown(preset: Preset, presets: Mapping[str, Preset]) -> InboundPreset:
    return InboundPreset(
        name=preset.name,
        title=preset.title,
        category=preset.category,
        summary=preset.summary,
        documentation=list(preset.documentation),
        documented=preset.documented,
        notes=preset.notes,
        fields={name: _field(field) for name, field in preset.fields.items()},
        secret_field=preset.secret_field,
        proof=proof_in_words(preset),
        handshakes=[handshake_in_words(rule) for rule in preset.handshakes],
        accepted=accepted_in_words(preset.accepted),
        has_handshake_token=any(condition.equals_token for rule in preset.handshakes for condition in rule.when),
        idempotency_source=preset.idempotency_source,
        event_type=preset.event_type,
        setup=list(preset.setup),
        suggested=preset.suggested,
        devices=preset.devices,
        samples=[_sample(preset, sample, presets) for sample in preset.samples],
    )


def _field(field: PresetField) -> InboundPresetField:
    return InboundPresetField(
        title=field.title,
        description=field.description,
        secret=field.secret,
        required=field.required and field.generated is None and field.default is None,
        generated=field.generated is not None,
        default=field.default,
        pattern=field.pattern,
        length_min=field.length_min if field.secret else 1,
        length_max=field.length_max,
    )


def _sample(preset: Preset, sample: PresetSample, presets: Mapping[str, Preset]) -> InboundPresetSample:
    """Without what is never stored of a request either, and without the secret wherever else it stands."""
    secret = sample.fields.get(preset.secret_field or "")
    stored = _stored(preset, sample, presets)
    answer = sample.answer
    return InboundPresetSample(
        name=sample.name,
        source=sample.source,
        method=sample.method,
        query=stored.pick_query(parse_query(urlsplit(sample.url).query)),
        headers=stored.pick({name.lower(): value for name, value in sample.headers.items()}),
        body=sample.body.replace(secret, _MASK) if secret else sample.body,
        answer_status=None if answer is None else answer.status,
        answer=_answer_of(sample),
        event_type=sample.event_type,
        idempotency_key=sample.idempotency_key,
    )


def _answer_of(sample: PresetSample) -> Any:
    if sample.answer is None:
        return None
    return sample.answer.text if sample.answer.text is not None else sample.answer.json_value


def _stored(preset: Preset, sample: PresetSample, presets: Mapping[str, Preset]) -> StoredHeaders:
    fields = {name: value for name, value in sample.fields.items() if name != preset.secret_field}
    return stored_of(PresetAuth(preset=preset.name, **fields), presets)
