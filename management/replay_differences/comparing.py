"""What would happen to deliveries now, block by block: filters, mapping, duplicates, and what the action would do."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from infra.actions.registry import ActionRegistry
from infra.clickhouse import Row
from infra.postgres import Pool, tenant_transaction
from infra.requests.plan import RequestPlan
from management.comparing.differences import Entity, Failure, Side, side_of
from management.comparing.entities import ExternalId, Mapped, effect_of, external_id_of, find_mapped
from management.comparing.plans import PlanShelf
from management.comparing.requests import NotComparable, planned_of
from management.comparing.room import Pace
from management.comparing.seen import SeenKeys
from management.comparing.showing import Shower
from management.replay_differences.repeats import Candidate, Repeats
from management.replay_differences.rows import side_then
from management.replay_differences.selecting import Selected
from management.replaying.counts import used_up
from management.replaying.places import FoundRecord
from management.replaying.stored import ERASED
from schemas.actions import ActionDefinition
from schemas.records import DispatchStatus
from schemas.webhooks import ActionHandler

_GONE = NotComparable("webhook_gone", "the webhook no longer exists, or has no usable configuration")
_INACTIVE = NotComparable("webhook_inactive", "the webhook is not active")
_USED_UP = NotComparable("replay_limit", "its origin was replayed as often as the webhook allows")
_INVALID = NotComparable("invalid_json", "its body is not JSON: it is replayed only with another body")
#: Without a mapping of then: it did not get so far.
_UNMAPPED = (DispatchStatus.FILTERED, DispatchStatus.DUPLICATE)


#: A delivery of which nothing can be said of now, and why.
Refused = tuple[Selected, NotComparable]


class Verdicts(NamedTuple):
    """Then and now of a delivery that can be compared. `fields_unknown` says why fields of then are not known."""

    selected: Selected
    then: Side
    now: Side
    fields_unknown: str | None
    shower: Shower


class _Judged(NamedTuple):
    """A candidate on its way: what its plan makes of it, and the external id that its action would look for."""

    candidate: Candidate
    plan: RequestPlan
    then: Side
    now: Side
    fields_unknown: str | None
    external_id: ExternalId | None
    shower: Shower


class DeliveryComparer:
    """Of one dry run, for one thread at a time; memory grows by up to 80 bytes a delivery, for what was seen."""

    def __init__(
        self, pool: Pool, tenant_id: UUID, registry: ActionRegistry, plans: PlanShelf, repeats: Repeats
    ) -> None:
        self._pool = pool
        self._tenant_id = tenant_id
        self._registry = registry
        self._plans = plans
        self._repeats = repeats
        self._made = SeenKeys()

    def compare(self, block: Sequence[Selected]) -> Iterator[Verdicts | Refused]:
        """In the order of the block. Raises PostgresUnavailableError, and as the log does."""
        pace = Pace()
        judged: list[_Judged | Refused] = []
        for selected in block:
            judged.append(self._judge(selected))
            pace.rest()
        judged = self._within_limits(judged)
        acting = [one for one in judged if isinstance(one, _Judged)]
        left_out = self._repeats.left_out([one.candidate for one in acting])
        wanted = [one.external_id for one in acting if one.external_id is not None]
        mapped = find_mapped(self._pool, self._tenant_id, wanted)
        for one in judged:
            if not isinstance(one, _Judged):
                yield one
                continue
            now = self._now(one, mapped, left_out)
            yield Verdicts(
                Selected(one.candidate.row, one.candidate.found), one.then, now, one.fields_unknown, one.shower
            )

    def _within_limits(self, judged: Sequence[_Judged | tuple[Selected, NotComparable]]) -> list[_Judged | Refused]:
        maxima = {
            UUID(one.candidate.origin_id): one.plan.config.replay_count_max
            for one in judged
            if isinstance(one, _Judged)
        }
        with tenant_transaction(self._pool, self._tenant_id) as connection:
            refused = used_up(connection, self._tenant_id, maxima)
        return [
            (Selected(one.candidate.row, one.candidate.found), _USED_UP)
            if isinstance(one, _Judged) and UUID(one.candidate.origin_id) in refused
            else one
            for one in judged
        ]

    def _judge(self, selected: Selected) -> _Judged | Refused:
        row, found = selected
        if isinstance(found, NotComparable):
            return selected, found
        webhook_id = UUID(found.headers.webhook_id)
        plan = self._plans.current(webhook_id)
        refused = _refused(row, found, plan)
        if refused is not None or plan is None:
            return selected, refused or _GONE
        request = planned_of(found)
        evaluated = plan.evaluate(request)
        handler = plan.handler
        now = side_of(evaluated, None if handler is None else handler.action)
        fields, unknown, paths = None, None, list(plan.config.redact_paths)
        if row is None or row["dispatch_status"] not in _UNMAPPED:
            version = found.headers.config_version
            pinned = self._plans.pinned(webhook_id, version)
            if pinned is None:
                unknown = f"version {version} of the webhook is not kept"
            else:
                fields = evaluated.fields if pinned is plan else pinned.evaluate(request).fields
                paths += pinned.config.redact_paths
        external_id = None
        if handler is not None and now.fields is not None:
            definition = self._registry[handler.action].definition
            external_id = external_id_of(handler, webhook_id, definition.entity_type, now.fields)
        candidate = Candidate(row, found, plan.config.idempotency_window_seconds)
        return _Judged(candidate, plan, side_then(row, fields), now, unknown, external_id, Shower(found, paths))

    def _now(self, one: _Judged, mapped: Mapped, left_out: set[str]) -> Side:
        now, handler, external_id = one.now, one.plan.handler, one.external_id
        if one.candidate.delivery_id in left_out:
            return Side("present", now.fields, action=now.action)
        if self._repeats.is_duplicate(one.candidate):
            return Side("duplicate", action=now.action)
        if handler is None or external_id is None:
            return now
        self._repeats.hold(one.candidate)
        definition = self._registry[handler.action].definition
        effect = self._effect(definition, handler, now, external_id, mapped)
        if isinstance(effect, Failure):
            return now._replace(outcome="failed", failure=effect)
        return now._replace(entity=effect)

    def _effect(
        self,
        definition: ActionDefinition,
        handler: ActionHandler,
        now: Side,
        external_id: ExternalId,
        mapped: Mapped,
    ) -> Entity | Failure:
        name = "/".join(map(str, external_id))
        by_realm: dict[str, UUID | None] = dict(mapped.get(external_id, {}))
        if not by_realm and name in self._made:
            by_realm = {"": None}
        effect = effect_of(definition, handler, now.fields or {}, external_id, by_realm)
        if isinstance(effect, Entity) and effect.effect == "create" and external_id.text:
            self._made.put(name)
        return effect


def _refused(row: Row | None, found: FoundRecord, plan: RequestPlan | None) -> NotComparable | None:
    if row is not None and row["is_erased"]:
        return NotComparable("erased", ERASED)
    if plan is None:
        return _GONE
    if not plan.config.is_active:
        return _INACTIVE
    return _INVALID if found.facts.invalid_json else None
