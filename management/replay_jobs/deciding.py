"""What is to become of each selected delivery: published, or left out with a reason."""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from infra.postgres import Pool, tenant_transaction
from management.configuration.records import read_records
from management.replay_jobs.jobs import Decided, Disposition, Job, JobStore
from management.replay_jobs.selections import LoggedStates, Selected
from management.replaying.places import FoundRecord, Lost
from management.replaying.records import replay_delivery_id
from schemas.webhooks import WebhookConfig

FILL = "fill"
WEBHOOK_GONE = "webhook_gone"
GONE_WORDS = "the webhook no longer exists, or has no usable configuration"


class Readable(NamedTuple):
    """A selected delivery and its record, or why there is none."""

    selected: Selected
    found: FoundRecord | Lost


class _Left(NamedTuple):
    """Why a delivery is not published."""

    result: str
    code: str
    reason: str


class Decider:
    """Raises as the stores do."""

    def __init__(self, pool: Pool, store: JobStore) -> None:
        self._pool = pool
        self._store = store

    def configs(self, job: Job, webhook_ids: Collection[str]) -> dict[str, WebhookConfig]:
        """The webhooks as they are now, by id; those that cannot be in force are left out."""
        keys = [(job.tenant_id, UUID(webhook_id)) for webhook_id in sorted(webhook_ids)]
        with tenant_transaction(self._pool, job.tenant_id) as connection:
            return {str(key[1]): config for key, config in read_records(connection, keys).items()}

    def decide(self, job: Job, readable: Sequence[Readable], logged: LoggedStates, *, at_us: int) -> Decided:
        """In the order given; what is published is of `at_us`, and of the microseconds after it."""
        selected = [one.selected for one in readable]
        configs = self.configs(job, {one.webhook_id for one in selected})
        replayed = self._store.replayed(job, [one.origin_id for one in selected])
        present = logged.present(selected) if job.mode == FILL else {}
        dispositions: list[Disposition] = []
        for position, one in enumerate(readable):
            origin_id = one.selected.origin_id
            left = _left(one.found, configs.get(one.selected.webhook_id), origin_id, replayed=replayed, present=present)
            if left is None:
                replayed.add(origin_id)
                new_id = replay_delivery_id(str(job.id), origin_id, at_us + position)
                dispositions.append(_disposition(one.selected, "noted", None, None, new_id, at_us + position))
            else:
                dispositions.append(_disposition(one.selected, *left, None, None))
        maxima = {
            one.origin_id: configs[one.webhook_id].replay_count_max for one in selected if one.webhook_id in configs
        }
        return Decided(dispositions, maxima)


def _left(
    found: FoundRecord | Lost,
    config: WebhookConfig | None,
    origin_id: str,
    *,
    replayed: Collection[str],
    present: dict[str, str],
) -> _Left | None:
    if isinstance(found, Lost):
        return _Left("lost", "lost", found.reason)
    if origin_id in replayed:
        return _Left("present", "replayed_already", "this job has replayed its origin already")
    if config is None:
        return _Left("refused", WEBHOOK_GONE, GONE_WORDS)
    if not config.is_active:
        return _Left("refused", "webhook_inactive", "the webhook is not active")
    if found.facts.invalid_json:
        return _Left("refused", "invalid_json", "its body is no valid JSON: replay it by itself, with another body")
    if origin_id in present:
        return _Left("present", "present", present[origin_id])
    return None


def _disposition(
    selected: Selected, result: str, code: str | None, reason: str | None, new_id: str | None, at_us: int | None
) -> Disposition:
    is_known = bool(selected.topic)
    return Disposition(
        selected.delivery_id,
        selected.origin_id,
        selected.webhook_id,
        selected.received_at_us,
        selected.topic if is_known else None,
        selected.partition if is_known else None,
        selected.offset if is_known else None,
        result,
        code,
        reason,
        new_id,
        at_us,
    )
