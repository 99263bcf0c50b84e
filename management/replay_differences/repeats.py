"""Which deliveries would be duplicates, and which the mode `fill` leaves out."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from infra.clickhouse import Row
from infra.clock import MICROSECONDS
from management.comparing.seen import SeenKeys
from management.replay_differences.repository import SelectedDeliveryRepository
from management.replaying.places import FoundRecord
from management.replaying.selections import ReplayMode
from schemas.records import DispatchStatus

_DONE = (DispatchStatus.DISPATCHED, DispatchStatus.FILTERED)


class Candidate(NamedTuple):
    """A delivery that would be replayed. `window_seconds` is of the webhook's dedupe keys, as it is now."""

    row: Row | None
    found: FoundRecord
    window_seconds: int

    @property
    def delivery_id(self) -> str:
        return self.found.headers.delivery_id


class _Key(NamedTuple):
    """Dedupe entries live with a webhook, in a partition."""

    webhook_id: str
    partition: int
    text: str


class Repeats:
    """Of one dry run, block after block. `now_us` is when its replays would come.

    A key is asked for before a request is mapped, and is held from the first request on that is dispatched. `redrive`
    knows the keys of its own replay alone; `fill` also those of deliveries that the log has as dispatched.
    """

    def __init__(
        self, repository: SelectedDeliveryRepository, tenant_id: UUID, mode: ReplayMode, *, since_us: int, now_us: int
    ) -> None:
        self._repository = repository
        self._tenant_id = tenant_id
        self._fills = mode == "fill"
        self._now_us = now_us
        self._held = SeenKeys()
        self._replayed = SeenKeys()
        if self._fills:
            for origin_id in repository.replayed(tenant_id, since_us):
                self._replayed.add(origin_id)
        self._holders: set[_Key] = set()

    def left_out(self, block: Sequence[Candidate]) -> set[str]:
        """Ids of a block that `fill` has no need to publish: each was dispatched or filtered, by itself, by a replay
        of it, or by the request it duplicates."""
        if not self._fills:
            return set()
        rows = [one.row for one in block if one.row is not None]
        done = {str(row["delivery_id"]) for row in rows if row["dispatch_status"] in _DONE}
        done |= {one.delivery_id for one in block if one.delivery_id in self._replayed}
        first = {str(row["delivery_id"]): row["duplicate_of"] for row in rows if row["duplicate_of"]}
        if first:
            webhook_ids = {UUID(str(row["webhook_id"])) for row in rows}
            found = self._repository.outcomes(self._tenant_id, {UUID(one) for one in first.values()}, webhook_ids)
            done |= {one for one, of in first.items() if found.get(of) in _DONE or of in self._replayed}
        self._note_holders([one for one in block if one.delivery_id not in done])
        return done

    def is_duplicate(self, candidate: Candidate) -> bool:
        """Whether its key is held."""
        key = _key_of(candidate)
        return key is not None and (key in self._holders or _text(key) in self._held)

    def hold(self, candidate: Candidate) -> None:
        """It is dispatched."""
        key = _key_of(candidate)
        if key is not None:
            self._held.add(_text(key))

    def _note_holders(self, block: Sequence[Candidate]) -> None:
        keyed = {key: one for one in block if (key := _key_of(one)) is not None}
        self._holders = set()
        if not keyed:
            return
        windows = {one.found.headers.webhook_id: one.window_seconds * MICROSECONDS for one in keyed.values()}
        rows = self._repository.holders(
            self._tenant_id,
            {UUID(key.webhook_id) for key in keyed},
            {key.text for key in keyed},
            max(self._now_us - max(windows.values()), 0),
        )
        for row in rows:
            key = _Key(str(row["webhook_id"]), int(row["raw_partition"] or 0), row["idempotency_key"])
            is_other = key in keyed and keyed[key].delivery_id != str(row["delivery_id"])
            if is_other and self._now_us - row["received_at_us"] < windows[key.webhook_id]:
                self._holders.add(key)


def _key_of(candidate: Candidate) -> _Key | None:
    headers, place = candidate.found.headers, candidate.found.place
    if headers.dedupe_key is None or headers.is_test:
        return None
    return _Key(headers.webhook_id, place.partition, headers.dedupe_key)


def _text(key: _Key) -> str:
    return f"{key.webhook_id}/{key.partition}/{key.text}"
