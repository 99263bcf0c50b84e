"""Two plans over the last real requests of a webhook."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from infra.clock import rfc3339
from infra.errors import KafkaUnavailableError
from infra.requests.plan import RequestPlan
from infra.settings import KafkaSettings
from management.comparing.differences import Side, Totals, difference, side_of
from management.comparing.requests import NotComparable, RequestSource, planned_of
from management.comparing.room import Pace, Room
from management.comparing.showing import Shower
from management.errors import UnavailableError
from management.mapping_comparisons.repository import LastRequestRepository
from management.mapping_comparisons.schemas import (
    SHOWN_MAX,
    ComparedVerdict,
    FailingExpression,
    RequestDifference,
)
from management.replaying.places import FoundRecord

#: What is not compared by then is counted as not tried.
COMPARISON_SECONDS_MAX = 20.0
COMPARISONS_AT_ONCE_MAX = 2
_PATHS_MAX = 100
_NOT_TRIED = "not_tried"


@dataclass(slots=True)
class Compared:
    """What came of it. `failures` are by path, which is empty where a failure has none."""

    totals: Totals = field(default_factory=Totals)
    failures: dict[str, FailingExpression] = field(default_factory=dict)
    differences: list[RequestDifference] = field(default_factory=list)

    def error_rate(self, *, now: bool) -> float | None:
        """Failed of those that were compared; None where there are none."""
        outcomes = self.totals.now if now else self.totals.then
        return outcomes["failed"] / self.totals.compared if self.totals.compared else None

    def worst(self) -> list[FailingExpression]:
        """Where most fail now, first."""
        return sorted(self.failures.values(), key=lambda one: (-one.now, -one.then, one.path))


class LastRequestComparer:
    """Safe to share between threads. Raises as the stores do, UnavailableError while Kafka is needed and away, and
    TooManyRequestsError while others compare."""

    def __init__(self, repository: LastRequestRepository, settings: KafkaSettings) -> None:
        self._repository = repository
        self._settings = settings
        self._room = Room("comparisons of mappings", COMPARISONS_AT_ONCE_MAX)

    def compare(self, then: RequestPlan, now: RequestPlan, last: int) -> Compared:
        """Both plans, of one webhook, over its `last` real requests, newest first."""
        compared = Compared()
        deadline, pace = time.monotonic() + COMPARISON_SECONDS_MAX, Pace()
        with self._room.place():
            for found in self._requests(now, last):
                if isinstance(found, NotComparable):
                    compared.totals.add_incomparable(found.code)
                elif time.monotonic() >= deadline:
                    compared.totals.add_incomparable(_NOT_TRIED)
                else:
                    _compare(compared, found, then, now)
                    pace.rest()
        return compared

    def _requests(self, plan: RequestPlan, last: int) -> Iterator[FoundRecord | NotComparable]:
        tenant_id, webhook_id = UUID(plan.config.tenant_id), UUID(plan.config.webhook_id)
        try:
            with RequestSource(self._settings) as source:
                for rows in self._repository.last(tenant_id, webhook_id, last):
                    yield from source.find(rows)
        except KafkaUnavailableError as error:
            raise UnavailableError("Kafka is away, which has requests that the log has not whole: try again") from error


def _compare(compared: Compared, found: FoundRecord, plan_then: RequestPlan, plan_now: RequestPlan) -> None:
    request = planned_of(found)
    then, now = (side_of(plan.evaluate(request), action_of(plan)) for plan in (plan_then, plan_now))
    differs = difference(then, now)
    compared.totals.add(then, now, differs)
    shower = Shower(found, [*plan_then.config.redact_paths, *plan_now.config.redact_paths])
    _note_failures(compared.failures, then, now, shower)
    if differs.kinds and len(compared.differences) < SHOWN_MAX:
        compared.differences.append(
            RequestDifference(
                delivery_id=found.headers.delivery_id,
                received_at=rfc3339(found.headers.received_at_us),
                kinds=list(differs.kinds),
                then=_shown(then, shower),
                now=_shown(now, shower),
                fields=shower.fields(differs.fields),
            )
        )


def action_of(plan: RequestPlan) -> str | None:
    """The action that a plan asks for; None where it can ask for none."""
    return None if plan.handler is None else plan.handler.action


def _note_failures(failures: dict[str, FailingExpression], then: Side, now: Side, shower: Shower) -> None:
    for side, of_now in ((then, False), (now, True)):
        if side.failure is None:
            continue
        path = side.failure.path or ""
        if path not in failures:
            if len(failures) == _PATHS_MAX:
                continue
            shown = shower.failure(side.failure)
            failures[path] = FailingExpression(path=path, then=0, now=0, message="" if shown is None else shown.message)
        one = failures[path]
        failures[path] = one.model_copy(update={"now": one.now + 1} if of_now else {"then": one.then + 1})


def _shown(side: Side, shower: Shower) -> ComparedVerdict:
    return ComparedVerdict(outcome=side.outcome, rule=shower.rule(side.stopped_by), error=shower.failure(side.failure))
