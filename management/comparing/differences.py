"""Where what becomes of a request now differs from what became of it then. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from infra.json_values import same_value
from infra.requests.checks import PATH_PREFIX, join_path
from infra.requests.filters import StoppedBy
from infra.requests.plan import Evaluated
from schemas.actions import PATH_PREFIX as MAPPING_PREFIX
from schemas.records import ErrorCode

Outcome = Literal["pending", "dispatched", "duplicate", "filtered", "failed", "present"]
#: How what happens now differs. A delivery may differ in several ways.
Kind = Literal[
    "filtered_now",
    "passes_now",
    "other_rule",
    "fails_now",
    "succeeds_now",
    "tried_again",
    "other_error",
    "duplicate_now",
    "runs_now",
    "other_action",
    "fields",
    "other_entity",
]
#: What the action would do to the entity of the external id; `unknown`: this cannot be said before it is tried.
Effect = Literal["create", "update", "unchanged", "unknown"]
#: Names of fields that totals tell apart; further ones are counted together.
FIELDS_COUNTED_MAX = 500
OTHER_FIELDS = "(other fields)"
_NOW: Mapping[Outcome, Kind] = {"filtered": "filtered_now", "failed": "fails_now", "duplicate": "duplicate_now"}
_RUNS: Mapping[Outcome, Kind] = {"filtered": "passes_now", "duplicate": "runs_now", "pending": "runs_now"}
_EXTERNAL_ID_PATH = f"{MAPPING_PREFIX}external_id"


class Failure(NamedTuple):
    """Why a request fails. `in_action`: the action was asked for, and failed."""

    code: str
    message: str
    path: str | None
    in_action: bool = False


class Entity(NamedTuple):
    """`effect` is None for what happened then; `id` None: a new one, or none is known."""

    type: str
    id: str | None
    effect: Effect | None = None


class Side(NamedTuple):
    """What becomes of a request, then or now. `fields` None: none were mapped, or it is not known which."""

    outcome: Outcome
    fields: Mapping[str, Any] | None = None
    stopped_by: StoppedBy | None = None
    failure: Failure | None = None
    action: str | None = None
    entity: Entity | None = None


class FieldDifference(NamedTuple):
    """A mapped field that differs. `then` is None for one that was added, `now` for one that was removed."""

    field: str
    change: Literal["added", "removed", "changed"]
    then: Any
    now: Any


class Difference(NamedTuple):
    """In which ways a request differs; none: it does not."""

    kinds: tuple[Kind, ...]
    fields: tuple[FieldDifference, ...]


def side_of(evaluated: Evaluated, action: str | None) -> Side:
    """What a plan makes of a request, whose action is asked for when nothing stops or fails it."""
    if evaluated.stopped_by is not None:
        stopped_by = evaluated.stopped_by._replace(path=join_path(PATH_PREFIX, evaluated.stopped_by.path))
        return Side("filtered", stopped_by=stopped_by, action=action)
    if evaluated.refusal is not None:
        refusal = evaluated.refusal
        return Side("failed", failure=Failure(refusal.code.value, refusal.message, refusal.path), action=action)
    return Side("dispatched", evaluated.fields, action=action)


def difference(then: Side, now: Side) -> Difference:
    """Compare. Fields are compared where both sides have them, entities where both act."""
    fields = _field_differences(then.fields, now.fields)
    if now.outcome == "present":
        return Difference((), fields)
    kinds: list[Kind] = [*_of_outcome(then, now)]
    if then.action is not None and now.action is not None and then.action != now.action:
        kinds.append("other_action")
    if fields:
        kinds.append("fields")
    if then.outcome == now.outcome == "dispatched" and _is_other_entity(then.entity, now.entity):
        kinds.append("other_entity")
    return Difference(tuple(kinds), fields)


def _of_outcome(then: Side, now: Side) -> tuple[Kind, ...]:
    if then.outcome == now.outcome:
        if now.outcome == "filtered" and then.stopped_by != now.stopped_by:
            return ("other_rule",)
        if now.outcome == "failed" and _place(then.failure) != _place(now.failure):
            return ("other_error",)
        return ()
    if now.outcome != "dispatched":
        return (_NOW[now.outcome],)
    if then.outcome == "failed":
        return ("tried_again",) if _is_open(then, now) else ("succeeds_now",)
    return (_RUNS[then.outcome],)


def _is_open(then: Side, now: Side) -> bool:
    """Whether the action that failed then may fail again: only what external ids say is looked up."""
    failure = then.failure
    if failure is None or not failure.in_action:
        return False
    by_external_id = failure.path == _EXTERNAL_ID_PATH and failure.code in (ErrorCode.LOOKUP_MISS, ErrorCode.CONFLICT)
    is_known = now.entity is not None and now.entity.effect != "unknown"
    return not (by_external_id and is_known)


def _place(failure: Failure | None) -> tuple[str, str | None] | None:
    """What tells failures apart: messages quote values."""
    return None if failure is None else (failure.code, failure.path)


def _is_other_entity(then: Entity | None, now: Entity | None) -> bool:
    if then is None or then.id is None or now is None or now.effect == "unknown":
        return False
    return (then.type, then.id) != (now.type, now.id)


def _field_differences(then: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> tuple[FieldDifference, ...]:
    if then is None or now is None or then is now:
        return ()
    found: list[FieldDifference] = []
    for name in sorted(then.keys() | now.keys()):
        if name not in then:
            found.append(FieldDifference(name, "added", None, now[name]))
        elif name not in now:
            found.append(FieldDifference(name, "removed", then[name], None))
        elif not same_value(then[name], now[name]):
            found.append(FieldDifference(name, "changed", then[name], now[name]))
    return tuple(found)


@dataclass(slots=True)
class Totals:
    """Counted as differences come; as large for a million of them as for one."""

    compared: int = 0
    different: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    then: Counter[str] = field(default_factory=Counter)
    now: Counter[str] = field(default_factory=Counter)
    fields: dict[str, Counter[str]] = field(default_factory=dict)
    not_comparable: Counter[str] = field(default_factory=Counter)

    def add(self, then: Side, now: Side, found: Difference) -> None:
        """Count a request that was compared."""
        self.compared += 1
        self.different += bool(found.kinds)
        self.by_kind.update(found.kinds)
        self.then[then.outcome] += 1
        self.now[now.outcome] += 1
        for one in found.fields:
            is_known = one.field in self.fields or len(self.fields) < FIELDS_COUNTED_MAX
            self.fields.setdefault(one.field if is_known else OTHER_FIELDS, Counter())[one.change] += 1

    def add_incomparable(self, reason: str) -> None:
        """Count one that cannot be compared; reasons are of a closed set."""
        self.not_comparable[reason] += 1
