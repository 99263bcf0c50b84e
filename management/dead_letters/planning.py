"""What each letter becomes, decided and noted in one transaction, before anything is published."""

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from infra.clock import rfc3339_of
from infra.ids import uuid7_text
from infra.postgres import Connection, Row
from management.dead_letters.changes import digest_of
from management.dead_letters.drafts import Draft, NewIds, RequestDraft, planned_ids
from management.dead_letters.repository import Decision, lock_letters, plan_redrive
from management.dead_letters.schemas import LetterRedrive
from management.delivery_replays.repository import PlannedReplay, insert_replay
from management.errors import AlreadyDoneError, ApiError, ConflictError, NotFoundError, ReplayRefusedError
from management.paging import microseconds
from management.replaying.counts import count_replays
from management.replaying.done import Done
from management.replaying.places import Place
from management.replaying.selections import ReplayMode

_OTHER_CHANGE = "it was begun to be re-driven with another change: give that one again, which ends it"
_TWICE = "another letter of the same delivery goes with this call: ask for this one by itself"
_REPLAYED_ENOUGH = "its delivery was replayed as often as its webhook allows (replay_count_max)"


class Wish(NamedTuple):
    """Why letters are to be re-driven, how, and with what changed of one."""

    reason: str
    mode: ReplayMode
    given: LetterRedrive | None = None


def plan(
    connection: Connection,
    drafts: Mapping[Place, Draft | ApiError],
    decision: Decision,
    wish: Wish,
    done: Mapping[str, Done],
) -> dict[Place, NewIds | ApiError]:
    """The ids to publish each under: new ones, or those of a plan that was not ended. `done` origins are left out."""
    tenant_id = decision.actor.tenant_id
    at_us, digest = microseconds(decision.at), digest_of(wish.given)
    replay_id = UUID(uuid7_text(at_us))
    locked = lock_letters(connection, tenant_id, list(drafts))
    planned: dict[Place, NewIds | ApiError] = {}
    fresh: dict[Place, Draft] = {}
    for place, draft in drafts.items():
        row = locked.get(place)
        if isinstance(draft, ApiError):
            planned[place] = decided(place, None) if row is None else draft
        elif row is None or row["state"] != "open":
            planned[place] = _unended(place, row, digest)
        elif (already := done.get(str(draft.origin_id))) is not None:
            planned[place] = AlreadyDoneError(already.words)
        else:
            fresh[place] = draft
    counted = _count(connection, tenant_id, fresh)
    taken: set[UUID] = set()
    for place, draft in fresh.items():
        if draft.origin_id in taken or draft.origin_id not in counted:
            planned[place] = _refused(is_taken=draft.origin_id in taken)
            continue
        taken.add(draft.origin_id)
        ids = planned[place] = draft.ids(replay_id, at_us)
        noted = {"replay_id": ids.replay_id, "new_delivery_id": ids.delivery_id, "change_digest": digest}
        plan_redrive(connection, place, decision, noted)
        if ids.delivery_id != draft.own_id:
            insert_replay(connection, decision.actor, _replay(draft, ids, decision, wish.mode))
    return {place: planned[place] for place in drafts}


def decided(place: Place, row: Row | None) -> ApiError:
    """Why nothing more is done with it."""
    if row is None:
        return NotFoundError(f"no dead letter {place}")
    at = rfc3339_of(row["decided_at"])
    if row["state"] == "dismissed":
        return ConflictError(f"dead letter {place} was dismissed at {at}")
    return ConflictError(f"dead letter {place} was re-driven at {at}, as delivery {row['new_delivery_id']}")


def _unended(place: Place, row: Row | None, digest: bytes | None) -> NewIds | ApiError:
    """The ids of a plan that nobody has ended. The mode does not count here: what was begun may be what did it."""
    if row is None or row["state"] != "redriven" or row["published_at"] is not None:
        return decided(place, row)
    before = row["change_digest"]
    is_same = (None if before is None else bytes(before)) == digest
    return planned_ids(row) if is_same else ConflictError(_OTHER_CHANGE)


def _refused(*, is_taken: bool) -> ApiError:
    return ConflictError(_TWICE) if is_taken else ReplayRefusedError("replay_limit", _REPLAYED_ENOUGH)


def _replay(draft: Draft, ids: NewIds, decision: Decision, mode: ReplayMode) -> PlannedReplay:
    change = draft.change if isinstance(draft, RequestDraft) else None
    return PlannedReplay(
        ids.delivery_id,
        UUID(draft.config.webhook_id),
        draft.origin_id,
        ids.replay_id,
        mode,
        decision.reason,
        decision.at,
        None if change is None else change.kind,
        None if change is None else change.operations,
    )


def _count(connection: Connection, tenant_id: UUID, fresh: Mapping[Place, Draft]) -> set[UUID]:
    """Origins that may be replayed once more."""
    return count_replays(
        connection, tenant_id, {draft.origin_id: draft.config.replay_count_max for draft in fresh.values()}
    )
