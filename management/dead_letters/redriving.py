"""Letters published again: noted first, published then, and noted as published. Each step may be done twice.

A letter is planned in one transaction, with the ids of what comes of it; it is published in another one, which holds
its row. Who dies between leaves a plan that the next call for the letter ends, with the same ids: two records of the
same delivery have one effect.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from infra.clock import now_us, rfc3339_of
from infra.ids import uuid7_text
from infra.postgres import Connection, Row
from infra.settings import Settings
from infra.topics import ACTION_DEAD_LETTERS, REQUEST_DEAD_LETTERS
from management.access import Actor
from management.configuration.records import read_records
from management.dead_letters.changes import changed_fields, digest_of
from management.dead_letters.commands import command_id_of, fields_of
from management.dead_letters.drafts import (
    CommandDraft,
    Draft,
    NewIds,
    RequestDraft,
    found_request,
    planned_ids,
)
from management.dead_letters.letters import Letter
from management.dead_letters.reading import read_letters
from management.dead_letters.repository import (
    DeadLetterRepository,
    Decision,
    LoggedDelivery,
    lock_letters,
    note_published,
    plan_redrive,
)
from management.dead_letters.schemas import LetterRedrive
from management.dead_letters.showing import withheld_reason
from management.delivery_replays.changing import changed_body, is_changed
from management.delivery_replays.repository import PlannedReplay, insert_replay
from management.errors import (
    ApiError,
    ConflictError,
    GoneError,
    NotFoundError,
    Problem,
    ReplayRefusedError,
    ValidationFailedError,
)
from management.paging import microseconds
from management.replaying.counts import count_replays
from management.replaying.places import FoundRecord, Lost, Place
from management.replaying.publishing import RecordPublisher
from management.replaying.reading import RecordReader
from management.replaying.reworking import Reworking
from management.replaying.selections import ReplayMode
from schemas.presets import Preset
from schemas.webhooks import WebhookConfig

_CLIENT_ID = "hookline-management-dead-letters"
_READ_SECONDS_MAX = 30.0
_OTHER_CHANGE = "it was begun to be re-driven with another change: give that one again, which ends it"
_TWICE = "another letter of the same delivery goes with this call: ask for this one by itself"
_REPLAYED_ENOUGH = "its delivery was replayed as often as its webhook allows (replay_count_max)"


class Wish(NamedTuple):
    """Why letters are to be re-driven, how, and with what changed of one."""

    reason: str
    mode: ReplayMode
    given: LetterRedrive | None = None


class Published(NamedTuple):
    """What came of a letter, and where its record stands."""

    ids: NewIds
    place: Place


class _Surroundings(NamedTuple):
    """What is known of the letters' webhooks and deliveries."""

    configs: Mapping[UUID, WebhookConfig]
    body_days: Mapping[UUID | None, int]
    logged: Mapping[UUID, LoggedDelivery]
    applied: set[UUID]
    origins: Mapping[Place, FoundRecord]


Outcome = Published | ApiError


class Redriving:
    """Methods raise as the stores do."""

    def __init__(self, repository: DeadLetterRepository, settings: Settings, presets: Mapping[str, Preset]) -> None:
        self._repository = repository
        self._kafka = settings.kafka
        self._reworking = Reworking(presets, settings.ingress.key_timeout_milliseconds / 1_000)
        self._publisher = RecordPublisher(settings.kafka, _CLIENT_ID)

    def close(self) -> None:
        """Let the connections go."""
        self._publisher.close()

    def redrive(self, actor: Actor, places: Sequence[Place], wish: Wish) -> dict[Place, Outcome]:
        """What came of each, in this order. Raises KafkaUnavailableError: what was planned is ended by another call."""
        drafts = self._drafts(actor.tenant_id, places, wish)
        decision = Decision(actor, wish.reason, datetime.now(UTC))
        with self._repository.transaction(actor.tenant_id) as connection:
            planned = _plan(connection, drafts, decision, wish)
        ids = {place: one for place, one in planned.items() if isinstance(one, NewIds)}
        outcomes = self._publish(actor.tenant_id, drafts, ids) if ids else {}
        return {place: outcomes[place] if isinstance(one, NewIds) else one for place, one in planned.items()}

    def _publish(
        self, tenant_id: UUID, drafts: Mapping[Place, Draft | ApiError], planned: Mapping[Place, NewIds]
    ) -> dict[Place, Outcome]:
        """Publish what nobody else has published meanwhile."""
        outcomes: dict[Place, Outcome] = {}
        messages: dict[Place, tuple[str, Mapping[str, Any]]] = {}
        with self._repository.transaction(tenant_id) as connection:
            locked = lock_letters(connection, tenant_id, list(planned))
            for place, ids in planned.items():
                row, draft = locked.get(place), drafts[place]
                if row is None or row["published_at"] is not None or isinstance(draft, ApiError):
                    outcomes[place] = _decided(place, row)
                else:
                    messages[place] = draft.message(ids)
            written = self._publisher.publish_messages(list(messages.values())) if messages else []
            note_published(connection, tenant_id, list(messages))
        return outcomes | {place: Published(planned[place], at) for place, at in zip(messages, written, strict=True)}

    def _drafts(self, tenant_id: UUID, places: Sequence[Place], wish: Wish) -> dict[Place, Draft | ApiError]:
        letters = read_letters(self._kafka, places)
        own = [one for one in letters.values() if isinstance(one, Letter) and one.owner.tenant_id == tenant_id]
        around = self._surroundings(tenant_id, own)
        drafts: dict[Place, Draft | ApiError] = {}
        for place in places:
            letter = letters[place]
            try:
                if isinstance(letter, Lost):
                    raise GoneError(f"dead letter {place} is gone: {letter.reason}")
                drafts[place] = self._draft(tenant_id, letter, around, wish)
            except ApiError as error:
                drafts[place] = error
        return drafts

    def _draft(self, tenant_id: UUID, letter: Letter, around: _Surroundings, wish: Wish) -> Draft:
        owner = letter.owner
        if owner.tenant_id != tenant_id or owner.delivery_id is None:
            raise NotFoundError(f"no dead letter {letter.place}")
        config = None if owner.webhook_id is None else around.configs.get(owner.webhook_id)
        if config is None or not config.is_active:
            raise ReplayRefusedError(
                "webhook_inactive", "its webhook is gone, or takes no requests: nothing of it is run"
            )
        logged = around.logged.get(owner.delivery_id)
        withheld = withheld_reason(
            letter,
            is_erased=logged is not None and logged.is_erased,
            body_days=around.body_days.get(owner.webhook_id, around.body_days[None]),
            now_us=now_us(),
        )
        if withheld is not None:
            raise GoneError(f"dead letter {letter.place} cannot be tried again: {withheld}")
        if letter.place.topic == REQUEST_DEAD_LETTERS:
            return self._request_draft(around.origins.get(letter.place) or found_request(letter), config, wish)
        has_ended = command_id_of(letter) in around.applied or (logged is not None and logged.has_ended)
        own = fields_of(letter)
        fields = None if wish.given is None else changed_fields(wish.given, own)
        return CommandDraft(letter, config, owner.delivery_id, has_ended, fields)

    def _request_draft(self, found: FoundRecord, config: WebhookConfig, wish: Wish) -> RequestDraft:
        if wish.given is not None and "fields" in wish.given.model_fields_set:
            raise ValidationFailedError([Problem("fields", "is of an action; a request has a body")])
        if wish.given is not None and is_changed(wish.given):
            return RequestDraft(found, config, wish.mode, changed_body(self._reworking, config, found, wish.given))
        if found.facts.invalid_json:
            raise ReplayRefusedError("invalid_json", "its body is no JSON: give another one")
        return RequestDraft(found, config, wish.mode, None)

    def _surroundings(self, tenant_id: UUID, letters: Sequence[Letter]) -> _Surroundings:
        webhook_ids = {one.owner.webhook_id for one in letters if one.owner.webhook_id is not None}
        delivery_ids = {one.owner.delivery_id for one in letters if one.owner.delivery_id is not None}
        command_ids = {command_id_of(one) for one in letters if one.place.topic == ACTION_DEAD_LETTERS}
        with self._repository.transaction(tenant_id) as connection:
            records = read_records(connection, [(tenant_id, webhook_id) for webhook_id in sorted(webhook_ids)])
        shown = self._repository.shown_webhooks(tenant_id, webhook_ids)
        return _Surroundings(
            configs={webhook_id: config for (_, webhook_id), config in records.items()},
            body_days={webhook_id: one.body_days for webhook_id, one in shown.items()},
            logged=self._repository.logged(tenant_id, delivery_ids),
            applied=self._repository.applied(tenant_id, [one for one in command_ids if one is not None]),
            origins=self._origins(letters),
        )

    def _origins(self, letters: Sequence[Letter]) -> dict[Place, FoundRecord]:
        """By letter the request's own record, which also knows when it was written, while its topic keeps it."""
        wanted: dict[Place, Place] = {}
        for letter in letters:
            if letter.place.topic == REQUEST_DEAD_LETTERS and letter.failure is not None:
                origin = letter.failure.origin
                wanted[letter.place] = Place(origin.topic, origin.partition, origin.offset)
        if not wanted:
            return {}
        with RecordReader(self._kafka, _CLIENT_ID) as reader:
            found = reader.read(list(wanted.values()), seconds_max=_READ_SECONDS_MAX)
        delivery_ids = {letter.place: str(letter.owner.delivery_id) for letter in letters}
        origins = ((place, found[at]) for place, at in wanted.items())
        return {
            place: one
            for place, one in origins
            if isinstance(one, FoundRecord) and one.headers.delivery_id == delivery_ids[place]
        }


def _plan(
    connection: Connection, drafts: Mapping[Place, Draft | ApiError], decision: Decision, wish: Wish
) -> dict[Place, NewIds | ApiError]:
    """The ids to publish each under: new ones, or those of a plan that was not ended."""
    tenant_id = decision.actor.tenant_id
    at_us, digest = microseconds(decision.at), digest_of(wish.given)
    replay_id = UUID(uuid7_text(at_us))
    locked = lock_letters(connection, tenant_id, list(drafts))
    planned: dict[Place, NewIds | ApiError] = {}
    fresh: dict[Place, Draft] = {}
    for place, draft in drafts.items():
        row = locked.get(place)
        if isinstance(draft, ApiError):
            planned[place] = NotFoundError(f"no dead letter {place}") if row is None else draft
        elif row is not None and row["state"] == "open":
            fresh[place] = draft
        elif row is not None and row["state"] == "redriven" and row["published_at"] is None:
            planned[place] = planned_ids(row) if _same(row["change_digest"], digest) else ConflictError(_OTHER_CHANGE)
        else:
            planned[place] = _decided(place, row)
    counted = _count(connection, tenant_id, fresh)
    taken: set[UUID] = set()
    for place, draft in fresh.items():
        if draft.origin_id in taken or draft.origin_id not in counted:
            planned[place] = _refused(is_taken=draft.origin_id in taken)
            continue
        taken.add(draft.origin_id)
        ids = planned[place] = draft.ids(replay_id, at_us)
        plan = {"replay_id": ids.replay_id, "new_delivery_id": ids.delivery_id, "change_digest": digest}
        plan_redrive(connection, place, decision, plan)
        if ids.delivery_id != draft.own_id:
            insert_replay(connection, decision.actor, _replay(draft, ids, decision, wish.mode))
    return {place: planned[place] for place in drafts}


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


def _same(before: memoryview | bytes | None, now: bytes | None) -> bool:
    return (None if before is None else bytes(before)) == now


def _decided(place: Place, row: Row | None) -> ApiError:
    """Why nothing more is done with it."""
    if row is None:
        return NotFoundError(f"no dead letter {place}")
    at = rfc3339_of(row["decided_at"])
    if row["state"] == "dismissed":
        return ConflictError(f"dead letter {place} was dismissed at {at}")
    return ConflictError(f"dead letter {place} was re-driven at {at}, as delivery {row['new_delivery_id']}")
