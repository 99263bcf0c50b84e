"""One version of a webhook, compiled once: filter, validate, map, coerce. Processors act on it, dry runs show it."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import orjson

from infra.actions.core.coercion import Coercer
from infra.actions.registry import ActionRegistry
from infra.jsonata import JsonataError, Limits
from infra.requests.bindings import PlannedRequest, Surroundings, request_bindings
from infra.requests.body import as_json_text
from infra.requests.enrichment import Enrichment, compile_enrichment
from infra.requests.errors import FilterError, RecordRefusedError, SchemaError
from infra.requests.filters import Filters, StoppedBy, compile_filters
from infra.requests.mapping import FieldMapping
from infra.requests.redaction import compile_redaction
from infra.requests.validation import BodyValidator, compile_validator
from schemas.bodies import JSON_DEPTH_MAX, BodyError, is_form, parse_json
from schemas.records import ErrorCode
from schemas.webhooks import ActionHandler, EventValidation, WebhookConfig

_JSON_CONTENT = b'"content_type":"application/json'
_INVALID_JSON = b'"invalid_json":true'
_FILTERS_PATH = "filters"
_VALIDATION_PATH = "validation"
_MESSAGE_LENGTH_MAX = 1_000


class Evaluated(NamedTuple):
    """What a plan makes of a request: typed fields, what stopped it, or why it fails. Exactly one of the three is set.

    `warnings` are what validation in the mode warn found and which enrichment failed; `metadata` is what enrichment
    made, the webhook's fixed members included.
    """

    fields: dict[str, Any] | None
    stopped_by: StoppedBy | None
    refusal: RecordRefusedError | None
    warnings: tuple[str, ...]
    metadata: dict[str, Any]


class _Handling(NamedTuple):
    """What the handler takes; without an action, why it can take nothing."""

    handler: ActionHandler | None
    mapping: FieldMapping | None
    coercer: Coercer | None
    refusal: RecordRefusedError | None


class RequestPlan:
    """Made by `compile_plan`. Safe to share between threads. `handler` is None when no action can be run."""

    __slots__ = (
        "_coercer",
        "_enrichment",
        "_fault",
        "_filters",
        "_mapping",
        "_reads_bindings",
        "_reads_client",
        "_refusal",
        "_screens",
        "_surroundings",
        "_validator",
        "config",
        "handler",
    )

    def __init__(
        self,
        config: WebhookConfig,
        handling: _Handling,
        surroundings: Surroundings,
        *,
        enrichment: Enrichment | None = None,
        filters: Filters | None = None,
        validator: BodyValidator | None = None,
        fault: RecordRefusedError | None = None,
    ) -> None:
        self.config = config
        self.handler, self._mapping, self._coercer, self._refusal = handling
        self._surroundings = surroundings
        self._enrichment = enrichment
        self._filters = filters
        self._validator = validator
        self._fault = fault
        self._screens = filters is not None or validator is not None
        reading = [part for part in (filters, handling.mapping, enrichment) if part is not None]
        reads = frozenset(name for part in reading for name in part.variables)
        self._reads_bindings, self._reads_client = bool(reads), "client" in reads

    def evaluate(self, request: PlannedRequest) -> Evaluated:
        """Decide one request. The same request and version give the same answer, now and on a replay."""
        evaluated = self._evaluate(request)
        if evaluated.refusal is None and not evaluated.warnings:
            return evaluated
        return self._without_secrets(evaluated, request)

    def _evaluate(self, request: PlannedRequest) -> Evaluated:
        metadata = self.config.metadata
        warnings: tuple[str, ...] = ()
        try:
            if self._fault is not None:
                raise self._fault
            if _INVALID_JSON in request.facts:
                raise RecordRefusedError(ErrorCode.INVALID_JSON, "the body is not JSON")
            text = as_json_text(request.body, is_form=_is_form(request.facts))
            body = None
            if self._screens:
                body = _parsed(text.encode())
            else:
                _check_nesting(request.body)
            bindings = self._bindings(request) if self._reads_bindings else None
            if self._enrichment is not None:
                metadata, warnings = self._enrichment.metadata(text, bindings, request)
                if bindings is not None:
                    bindings["metadata"] = metadata
            if self._filters is not None:
                stopped_by = self._stopped_by(self._filters, body, bindings, request)
                if stopped_by is not None:
                    return Evaluated(None, stopped_by, None, warnings, metadata)
            if self._validator is not None:
                warnings += self._warnings(self._validator, body)
            if self._refusal is not None:
                return Evaluated(None, None, self._refusal, warnings, metadata)
            return Evaluated(self._fields(text, bindings, request), None, None, warnings, metadata)
        except RecordRefusedError as refusal:
            return Evaluated(None, None, refusal, warnings, metadata)

    def _bindings(self, request: PlannedRequest) -> dict[str, Any]:
        return request_bindings(self.config, request, self._surroundings, reads_client=self._reads_client)

    def _without_secrets(self, evaluated: Evaluated, request: PlannedRequest) -> Evaluated:
        """What went wrong may quote the body: not what is masked in it."""
        try:
            body = parse_json(as_json_text(request.body, is_form=_is_form(request.facts)).encode())
        except (RecordRefusedError, BodyError):
            return evaluated
        scrub = partial(compile_redaction(self.config.redact_paths).scrub, value=body)
        refusal = evaluated.refusal
        if refusal is not None:
            problems = [(path, scrub(message)) for path, message in refusal.problems]
            refusal = RecordRefusedError(refusal.code, scrub(refusal.message), refusal.path, problems=problems)
        warnings = tuple(scrub(warning) for warning in evaluated.warnings)
        return evaluated._replace(refusal=refusal, warnings=warnings)

    def _stopped_by(
        self, filters: Filters, body: Any, bindings: Mapping[str, Any] | None, request: PlannedRequest
    ) -> StoppedBy | None:
        headers = orjson.loads(request.facts).get("headers", {}) if bindings is None else bindings["headers"]
        now_ms, seed = request.moment()
        return filters.stopped_by(body, headers, now_ms=now_ms, seed=seed, bindings=bindings)

    def _warnings(self, validator: BodyValidator, body: Any) -> tuple[str, ...]:
        """Problems of the body in the mode warn. Raises RecordRefusedError VALIDATION_ERROR in the mode reject."""
        problems = validator.problems(body)
        if not problems:
            return ()
        validation = self.config.validation
        assert validation is not None  # noqa: S101  # there is no validator without
        name = f"{validation.event_type} version {validation.event_version}"
        if validation.mode == "reject":
            message = f"the body is not a valid {name}: {'; '.join(problems)}"
            raise RecordRefusedError(ErrorCode.VALIDATION_ERROR, message[:_MESSAGE_LENGTH_MAX], _VALIDATION_PATH)
        return tuple(f"{name}: {problem}" for problem in problems)

    def _fields(self, text: str, bindings: Mapping[str, Any] | None, request: PlannedRequest) -> dict[str, Any]:
        mapping, coercer = self._mapping, self._coercer
        assert mapping is not None  # noqa: S101  # there is a refusal without
        assert coercer is not None  # noqa: S101
        now_ms, seed = request.moment()
        mapped = loads_json(mapping.evaluate(text, bindings, now_ms=now_ms, seed=seed))
        coerced = coercer.coerce(mapped)
        if coerced.problems:
            message = "; ".join(problem.message for problem in coerced.problems)
            first = coerced.problems[0].path
            raise RecordRefusedError(ErrorCode.VALIDATION_ERROR, message, first, problems=coerced.problems)
        return coerced.fields


def compile_plan(
    config: WebhookConfig, registry: ActionRegistry, surroundings: Surroundings, *, engine: str, limits: Limits
) -> RequestPlan:
    """The plan of one version. What cannot work becomes the refusal of every request that gets there."""
    handling = _compile_handling(config, registry, engine, limits)
    enrichment = compile_enrichment(config, surroundings, engine=engine, limits=limits)
    try:
        filters = None if config.filters is None else compile_filters(config.filters, engine=engine, limits=limits)
        validator = None if config.validation is None else _compile_validator(config.validation)
    except FilterError as error:
        fault = RecordRefusedError(ErrorCode.MAPPING_FAILED, f"the filters cannot be used: {error}", _FILTERS_PATH)
    except SchemaError as error:
        fault = RecordRefusedError(ErrorCode.VALIDATION_ERROR, str(error), _VALIDATION_PATH)
    else:
        return RequestPlan(config, handling, surroundings, enrichment=enrichment, filters=filters, validator=validator)
    return RequestPlan(config, handling, surroundings, fault=fault)


def _compile_handling(config: WebhookConfig, registry: ActionRegistry, engine: str, limits: Limits) -> _Handling:
    handler = config.handler_config
    if not isinstance(handler, ActionHandler):
        message = f"workflow {handler.workflow_id} cannot be started: no workflow engine is installed"
        return _Handling(None, None, None, RecordRefusedError(ErrorCode.WORKFLOW_UNAVAILABLE, message))
    action = registry.get(handler.action)
    if action is None:
        message = f"action {handler.action!r} is not installed"
        return _Handling(None, None, None, RecordRefusedError(ErrorCode.ACTION_UNKNOWN, message))
    try:
        mapping = FieldMapping(handler.field_mapping, engine=engine, limits=limits)
    except JsonataError as error:
        message = f"the mapping does not compile: {error.message}"
        return _Handling(None, None, None, RecordRefusedError(ErrorCode.MAPPING_FAILED, message))
    return _Handling(handler, mapping, action.coercer, None)


def _compile_validator(validation: EventValidation) -> BodyValidator:
    try:
        return compile_validator(validation.json_schema)
    except SchemaError as error:
        name = f"{validation.event_type} version {validation.event_version}"
        raise SchemaError(f"the schema of {name} cannot be used: {error}") from error


def _is_form(facts: bytes) -> bool:
    """Whether the body is a form; the facts are parsed only where they do not plainly say JSON."""
    if _JSON_CONTENT in facts:
        return False
    content_type = orjson.loads(facts).get("content_type")
    return is_form(content_type)


def _parsed(body: bytes) -> Any:
    try:
        return parse_json(body)
    except BodyError as error:
        raise RecordRefusedError(ErrorCode.INVALID_JSON, f"the body cannot be read: {error}") from error


def _check_nesting(body: bytes) -> None:
    """Refuse what the receiver refuses and an expression would read. What cannot be nested too deep is not parsed."""
    if body.count(b"[") + body.count(b"{") > JSON_DEPTH_MAX:
        _parsed(body)


def loads_json(text: str) -> Any:
    """What an expression gave, which is JSON of bounded length and no body.

    The slower parser takes what the fast one refuses and jsonata-python writes: integers beyond 64 bits, of at most
    the 4,300 digits that the interpreter reads, and lone surrogates.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)
