"""Which deliveries would be duplicates, and which would be left out."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from infra.clickhouse import Row
from infra.clock import MICROSECONDS
from infra.requests.bindings import origin_received_at_us
from management.comparing.seen import SeenKeys
from management.replay_differences.repository import SelectedDeliveryRepository
from management.replaying.done import DONE_STATUSES
from management.replaying.places import FoundRecord
from management.replaying.records import origin_id_of
from management.replaying.selections import ReplayMode


class Candidate(NamedTuple):
    """A delivery that would be replayed. `window_seconds` is of the webhook's dedupe keys, as it is now."""

    row: Row | None
    found: FoundRecord
    window_seconds: int

    @property
    def delivery_id(self) -> str:
        return self.found.headers.delivery_id

    @property
    def origin_id(self) -> str:
        """The delivery that a replay of this one would be of."""
        return origin_id_of(self.found.headers)

    @property
    def at_us(self) -> int:
        """As which time its dedupe key counts."""
        return origin_received_at_us(self.found.headers)


class _Key(NamedTuple):
    """Dedupe entries live with a webhook, in a partition."""

    webhook_id: str
    partition: int
    text: str


class Repeats:
    """Of one dry run, block after block.

    A key is asked for before a request is mapped, and is held from the first request on that is dispatched. `redrive`
    knows the keys of its own replay alone; `fill` also those of deliveries that the log has as dispatched and whose
    windows have not ended by `now_us`.
    """

    def __init__(
        self, repository: SelectedDeliveryRepository, tenant_id: UUID, mode: ReplayMode, *, since_us: int, now_us: int
    ) -> None:
        self._repository = repository
        self._tenant_id = tenant_id
        self._fills = mode == "fill"
        self._now_us = now_us
        self._held = SeenKeys()
        self._origins = SeenKeys()
        self._replayed = SeenKeys()
        self._holders: dict[_Key, list[int]] = {}
        if self._fills:
            for origin_id in repository.replayed(tenant_id, since_us):
                self._replayed.put(origin_id)

    def left_out(self, block: Sequence[Candidate]) -> set[str]:
        """Ids of a block that need not be published: their origin is replayed already, or, in the mode `fill`, was
        dispatched or filtered, by itself, by a replay of it, or by the request it duplicates."""
        left = set()
        for one in block:
            if one.origin_id in self._origins:
                left.add(one.delivery_id)
            self._origins.put(one.origin_id)
        if self._fills:
            left |= self._successful([one for one in block if one.delivery_id not in left])
            self._note_holders([one for one in block if one.delivery_id not in left])
        return left

    def is_duplicate(self, candidate: Candidate) -> bool:
        """Whether its key is held."""
        key = _key_of(candidate)
        if key is None:
            return False
        held = self._held.get(_text(key))
        times = [*self._holders.get(key, ()), *(() if held is None else (held,))]
        return any(abs(candidate.at_us - at_us) < candidate.window_seconds * MICROSECONDS for at_us in times)

    def hold(self, candidate: Candidate) -> None:
        """It is dispatched."""
        key = _key_of(candidate)
        if key is not None:
            self._held.put(_text(key), candidate.at_us)

    def _successful(self, block: Sequence[Candidate]) -> set[str]:
        """Ids of a block that are done by the rule of `management.replaying.done`. Replays are not looked for block by
        block, which would read the log each time: `_replayed` has them, and of duplicates the selected row is asked."""
        related = {one.delivery_id: {one.origin_id, *_first_of(one.row)} for one in block}
        asked = {UUID(other) for name, others in related.items() for other in others if other != name}
        statuses = {one.delivery_id: one.row["dispatch_status"] for one in block if one.row is not None}
        if asked:
            webhook_ids = {UUID(one.found.headers.webhook_id) for one in block}
            statuses |= self._repository.outcomes(self._tenant_id, asked, webhook_ids)
        return {
            name
            for name, others in related.items()
            if any(statuses.get(other) in DONE_STATUSES or other in self._replayed for other in (name, *others))
        }

    def _note_holders(self, block: Sequence[Candidate]) -> None:
        keyed = {key: one for one in block if (key := _key_of(one)) is not None}
        self._holders = {}
        if not keyed:
            return
        windows_us = {one.found.headers.webhook_id: one.window_seconds * MICROSECONDS for one in keyed.values()}
        rows = self._repository.holders(
            self._tenant_id,
            {UUID(key.webhook_id) for key in keyed},
            {key.text for key in keyed},
            max(self._now_us - max(windows_us.values()), 0),
        )
        for row in rows:
            key = _Key(str(row["webhook_id"]), int(row["raw_partition"] or 0), row["idempotency_key"])
            if key in keyed and self._now_us - row["received_at_us"] < windows_us[key.webhook_id]:
                self._holders.setdefault(key, []).append(row["received_at_us"])


def _first_of(row: Row | None) -> list[str]:
    """The delivery that a row's duplicates."""
    return [row["duplicate_of"]] if row is not None and row["duplicate_of"] else []


def _key_of(candidate: Candidate) -> _Key | None:
    headers, place = candidate.found.headers, candidate.found.place
    if headers.dedupe_key is None or headers.is_test:
        return None
    return _Key(headers.webhook_id, place.partition, headers.dedupe_key)


def _text(key: _Key) -> str:
    return f"{key.webhook_id}/{key.partition}/{key.text}"
