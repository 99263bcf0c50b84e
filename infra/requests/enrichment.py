"""What a webhook adds to its requests' metadata: the sender's event type, and its own rules in JSONata. Pure.

A rule never fails a delivery: one that fails, or gives nothing, leaves its member out; a failure is a warning.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from infra.jsonata import JsonataError, Limits
from infra.requests.bindings import PlannedRequest, Surroundings
from infra.requests.errors import RecordRefusedError
from infra.requests.mapping import FieldMapping
from schemas.encoding import record_bytes
from schemas.presets import EventTypeSource
from schemas.webhooks import PresetAuth, WebhookConfig

METADATA_BYTES_MAX = 16_384
EVENT_TYPE = "event_type"


class Enrichment:
    """The rules of one version, made by `compile_enrichment`. Safe to share between threads."""

    __slots__ = ("_event_type_header", "_faults", "_fixed", "_rules", "variables")

    def __init__(
        self,
        fixed: Mapping[str, Any],
        rules: Mapping[str, FieldMapping],
        faults: Sequence[str],
        event_type_header: str | None,
    ) -> None:
        self._fixed = fixed
        self._rules = rules
        self._faults = tuple(faults)
        self._event_type_header = event_type_header
        #: Names of the bindings that the rules read.
        self.variables = frozenset(name for rule in rules.values() for name in rule.variables)
        if event_type_header is not None:
            self.variables |= {"headers"}

    def metadata(
        self, text: str, bindings: Mapping[str, Any] | None, request: PlannedRequest
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """All of the metadata, and warnings. `text` is the body's JSON; `bindings` None: no rule reads any."""
        metadata, warnings = dict(self._fixed), list(self._faults)
        if self._event_type_header is not None and bindings is not None:
            found = bindings["headers"].get(self._event_type_header)
            if found is not None and _fits(metadata, {EVENT_TYPE: found}):
                metadata[EVENT_TYPE] = found
            elif found is not None:
                warnings.append(_left_out(EVENT_TYPE))
        now_ms, seed = request.moment()
        for name, rule in self._rules.items():
            try:
                made = orjson.loads(rule.evaluate(text, bindings, now_ms=now_ms, seed=seed))
            except RecordRefusedError as refusal:
                warnings.append(f"enrichment.{refusal.message}")
                continue
            except orjson.JSONDecodeError:
                warnings.append(f"enrichment.{name}: gives text or a number that cannot be kept")
                continue
            if not _fits(metadata, made):
                warnings.append(_left_out(name))
                continue
            metadata |= made
        return metadata, tuple(warnings)


def _fits(metadata: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    return not made or len(record_bytes({**metadata, **made})) <= METADATA_BYTES_MAX


def _left_out(name: str) -> str:
    return f"enrichment.{name}: left out, metadata would be over {METADATA_BYTES_MAX:,} bytes"


def compile_enrichment(
    config: WebhookConfig, surroundings: Surroundings, *, engine: str, limits: Limits
) -> Enrichment | None:
    """The rules of a webhook and the event type of its preset; None where there is nothing to work out."""
    source = _event_type_of(config, surroundings)
    sources = dict(config.enrichment)
    if source is not None and source.jsonata is not None:
        sources = {EVENT_TYPE: source.jsonata, **sources}
    rules, faults = {}, []
    for name, expression in sources.items():
        try:
            rules[name] = FieldMapping({name: expression}, engine=engine, limits=limits)
        except JsonataError as error:
            faults.append(f"enrichment.{name}: does not compile: {error.message}")
    header = None if source is None or source.header is None else source.header.lower()
    return Enrichment(config.metadata, rules, faults, header) if rules or faults or header else None


def _event_type_of(config: WebhookConfig, surroundings: Surroundings) -> EventTypeSource | None:
    """Where the sender says what happened, unless the webhook says it itself."""
    auth = config.auth_config
    if not isinstance(auth, PresetAuth) or EVENT_TYPE in config.metadata or EVENT_TYPE in config.enrichment:
        return None
    preset = surroundings.presets.get(auth.preset)
    return None if preset is None else preset.event_type
