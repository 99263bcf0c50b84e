"""What a webhook would make of a request, without sending it."""

import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from infra.actions.core.coercion import Coerced
from infra.actions.registry import ActionRegistry
from infra.jsonata import InputError, JsonataError, Limits, compile_expression, paths_read
from infra.requests.bindings import PlannedRequest, Surroundings, request_bindings
from infra.requests.checks import PATH_PREFIX, join_path
from infra.requests.enrichment import compile_enrichment
from infra.requests.errors import FilterError, RecordRefusedError
from infra.requests.filters import StoppedBy, compile_filters
from infra.requests.plan import compile_plan, loads_json
from management.errors import Problem, ValidationFailedError
from management.webhook_tests.records import TriedRequest, WorkedOut, facts_json
from management.webhook_tests.schemas import (
    DryRun,
    ExpressionFailure,
    FieldPreview,
    FilterVerdict,
    FoundProblem,
    Json,
    MappingPreview,
)
from management.webhook_tests.schemas import StoppedBy as ShownStop
from schemas.actions import PATH_PREFIX as MAPPING_PREFIX
from schemas.webhooks import ActionHandler, WebhookConfig

#: A mapping has many expressions, and each may take as long as it may in the pipeline.
PREVIEW_SECONDS_MAX = 2.0


class Trial(NamedTuple):
    """A request, what the receiver makes of it, and when; `delivery_id` seeds what is random."""

    request: TriedRequest
    found: WorkedOut
    delivery_id: str
    at_us: int

    def planned(self) -> PlannedRequest:
        """As a plan reads it."""
        found = self.found
        return PlannedRequest(
            self.request.body, facts_json(found.facts), self.delivery_id, self.at_us, found.dedupe_key, None
        )


class _Field(NamedTuple):
    """What an expression gave: a value (present or not), or why it failed."""

    reads: tuple[str, ...]
    present: bool
    value: Any
    failure: ExpressionFailure | None


_NOT_TRIED = _Field(
    (),
    False,
    None,
    ExpressionFailure(message=f"not tried: those before it took {PREVIEW_SECONDS_MAX:g} s", position=None),
)


class Previewer:
    """With the actions, the engine and the limits that the pipeline works with."""

    def __init__(self, registry: ActionRegistry, surroundings: Surroundings, *, engine: str, limits: Limits) -> None:
        self._registry = registry
        self._surroundings = surroundings
        self._engine = engine
        self._limits = limits

    def dry_run(self, config: WebhookConfig, trial: Trial) -> DryRun:
        """The whole way up to the action, as the pipeline goes it."""
        plan = compile_plan(config, self._registry, self._surroundings, engine=self._engine, limits=self._limits)
        found = plan.evaluate(trial.planned())
        return DryRun(
            valid=found.fields is not None,
            stopped_by=_shown(found.stopped_by),
            fields=found.fields,
            problems=_problems(found.refusal),
            dedupe_key=trial.found.dedupe_key,
            ordering_key=trial.found.ordering_key,
            warnings=[*trial.found.warnings, *found.warnings],
        )

    def filters(self, config: WebhookConfig, filters: Json | None, trial: Trial) -> FilterVerdict:
        """Whether `filters` let a JSON body through. Raises ValidationFailedError."""
        if filters is None:
            return FilterVerdict(passes=True, stopped_by=None)
        planned = trial.planned()
        try:
            compiled = compile_filters(filters, engine=self._engine, limits=self._limits)
            bindings = self._bindings(config, planned)
            now_ms, seed = planned.moment()
            stopped_by = compiled.stopped_by(
                loads_json(planned.body.decode()), bindings["headers"], now_ms=now_ms, seed=seed, bindings=bindings
            )
        except FilterError as error:
            problems = [Problem(join_path(PATH_PREFIX, path), message) for path, message in error.problems]
            raise ValidationFailedError(problems) from error
        except RecordRefusedError as refusal:
            raise ValidationFailedError([Problem(refusal.path or "body", refusal.message)]) from refusal
        return FilterVerdict(passes=stopped_by is None, stopped_by=_shown(stopped_by))

    def mapping(
        self, config: WebhookConfig, action: str | None, field_mapping: Mapping[str, str] | None, trial: Trial
    ) -> MappingPreview:
        """Every expression by itself over a JSON body. What is None is the webhook's own.

        Raises ValidationFailedError.
        """
        handler = config.handler_config
        own = handler if isinstance(handler, ActionHandler) else None
        name = action or (None if own is None else own.action)
        registered = None if name is None else self._registry.get(name)
        if registered is None:
            message = "the webhook starts a workflow: name an action" if name is None else f"no action {name!r}"
            raise ValidationFailedError([Problem("action", message)])
        sources = field_mapping if field_mapping is not None else own.field_mapping if own is not None else {}
        planned = trial.planned()
        bindings = self._bindings(config, planned)
        text = planned.body.decode()
        deadline = time.monotonic() + PREVIEW_SECONDS_MAX
        fields = {
            field: self._evaluate(source, text, bindings, planned) if time.monotonic() < deadline else _NOT_TRIED
            for field, source in sources.items()
        }
        coerced = registered.coercer.coerce({field: found.value for field, found in fields.items() if found.present})
        known = {field.name for field in registered.definition.target_fields}
        return _preview(fields, coerced, known)

    def _bindings(self, config: WebhookConfig, planned: PlannedRequest) -> dict[str, Any]:
        """With what enrichment makes of a JSON body, as in the pipeline."""
        bindings = request_bindings(config, planned, self._surroundings, reads_client=True)
        enrichment = compile_enrichment(config, self._surroundings, engine=self._engine, limits=self._limits)
        if enrichment is not None:
            bindings["metadata"], _ = enrichment.metadata(planned.body.decode(), bindings, planned)
        return bindings

    def _evaluate(self, source: str, text: str, bindings: Mapping[str, Any], planned: PlannedRequest) -> _Field:
        reads: tuple[str, ...] = ()
        now_ms, seed = planned.moment()
        try:
            reads = paths_read(source)
            expression = compile_expression(source, engine=self._engine, limits=self._limits)
            found = expression.evaluate(text, bindings, now_ms=now_ms, seed=seed)
        except JsonataError as error:
            failure = ExpressionFailure(message=f"{error.message} ({error.code})", position=error.position)
            return _Field(reads, False, None, failure)
        except InputError as error:
            raise ValidationFailedError([Problem("body", f"the body is not JSON: {error}")]) from error
        return _Field(reads, found is not None, None if found is None else loads_json(found), None)


def _preview(fields: Mapping[str, _Field], coerced: Coerced, known: AbstractSet[str]) -> MappingPreview:
    """Fields with what is wrong with their types; problems of the mapping as a whole, as with a missing field."""
    messages: dict[str, str] = {}
    problems: list[FoundProblem] = []
    for problem in coerced.problems:
        found = fields.get(problem.field)
        if found is not None and found.present:
            messages[problem.field] = problem.message
        elif found is None or found.failure is None:
            problems.append(FoundProblem(path=problem.path, message=problem.message))
    for name, found in fields.items():
        if name not in known and not found.present:
            message = f"{name} is not a field of the action"
            problems.append(FoundProblem(path=f"{MAPPING_PREFIX}{name}", message=message))
    shown = {
        name: FieldPreview(
            value=found.value,
            present=found.present,
            type_ok=name not in messages if found.present else None,
            error=ExpressionFailure(message=messages[name], position=None) if name in messages else found.failure,
            reads=list(found.reads),
        )
        for name, found in fields.items()
    }
    return MappingPreview(fields=shown, problems=problems)


def _problems(refusal: RecordRefusedError | None) -> list[FoundProblem]:
    if refusal is None:
        return []
    if refusal.problems:
        return [FoundProblem(path=path, message=message) for path, message in refusal.problems]
    return [FoundProblem(path=refusal.path or "", message=refusal.message)]


def _shown(stopped_by: StoppedBy | None) -> ShownStop | None:
    return None if stopped_by is None else ShownStop(path=join_path(PATH_PREFIX, stopped_by.path), rule=stopped_by.rule)
