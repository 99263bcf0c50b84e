"""Letters published again: noted first, published then, and noted as published. Each step may be done twice.

A letter is planned in one transaction, with the ids of what comes of it; it is published in another one, which holds its
row. Who dies between leaves a plan that the next call for the letter ends, with the same ids: two records of the same
delivery have one effect.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from infra.clock import now_us
from infra.ids import uuid7_text
from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.settings import Settings
from management.access import Actor
from management.configuration.records import read_records
from management.dead_letters.changes import LetterChange
from management.dead_letters.commands import NewCommand, command_id_of
from management.dead_letters.drafts import CommandDraft, Draft, NewIds, RequestDraft, found_request, planned_ids
from management.dead_letters.letters import Letter
from management.dead_letters.reading import read_letters
from management.dead_letters.repository import (
    Decision,
    DeadLetterRepository,
    LoggedDelivery,
    lock_letters,
    note_published,
    plan_redrive,
)
from management.dead_letters.showing import withheld_reason
from management.errors import ApiError, ConflictError, GoneError, NotFoundError
from management.replaying.places import Lost, Place
from management.replaying.publishing import RecordPublisher, message_of
from management.replaying.reading import RecordReader
from schemas.presets import Preset
from schemas.webhooks import WebhookConfig

_CLIENT_ID = "hookline-management-dead-letters"
_READ_SECONDS_MAX = 30.0


class Wish(NamedTuple):
    """Why letters are to be re-driven, how, and with what changed of one."""

    reason: str
    mode: str
    change: LetterChange | None = None


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


Outcome = Published | ApiError


class Redriving:
    """Methods raise as the stores do."""

    def __init__(
        self, repository: DeadLetterRepository, pool: Pool, settings: Settings, presets: Mapping[str, Preset]
    ) -> None:
        self._repository = repository
        self._pool = pool
        self._kafka = settings.kafka
        self._key_timeout_seconds = settings.ingress.key_timeout_milliseconds / 1_000
        self._presets = presets
        self._publisher = RecordPublisher(settings.kafka, _CLIENT_ID)

    def close(self) -> None:
        """Let the connections go."""
        self._publisher.close()

    def redrive(self, actor: Actor, places: Sequence[Place], wish: Wish) -> dict[Place, Outcome]:
        """What came of each, in this order. Raises KafkaUnavailableError: what was planned is ended by another call."""
        drafts = self._drafts(actor.tenant_id, places, wish)
        decision = Decision(actor, wish.reason, datetime.now(UTC))
        outcomes: dict[Place, NewIds | Outcome] = {}
        with self._repository.transaction(actor.tenant_id) as connection:
            replay_id = UUID(uuid7_text(microseconds(decision.at)))
            locked = lock_letters(connection, actor.tenant_id, places)
            for place in places:
                outcomes[place] = _planned(connection, locked.get(place), drafts[place], decision, replay_id)
        planned = {place: one for place, one in outcomes.items() if isinstance(one, NewIds)}
        if planned:
            outcomes |= self._publish(actor.tenant_id, drafts, planned)
        return {place: one for place, one in outcomes.items() if not isinstance(one, NewIds)}

    def _publish(
        self, tenant_id: UUID, drafts: Mapping[Place, Draft | ApiError], planned: Mapping[Place, NewIds]
    ) -> dict[Place, Outcome]:
        """Publish what nobody else has published meanwhile; of that is told what came of it all the same."""
        outcomes: dict[Place, Outcome] = {}
        messages: dict[Place, tuple[str, Mapping[str, Any]]] = {}
        with self._repository.transaction(tenant_id) as connection:
            locked = lock_letters(connection, tenant_id, list(planned))
            for place, ids in planned.items():
                row, draft = locked.get(place), drafts[place]
                if row is None or row["published_at"] is not None or isinstance(draft, ApiError):
                    outcomes[place] = _decided_before(place, row)
                else:
                    messages[place] = _message(draft.record(ids))
            written = self._publisher.publish_messages(list(messages.values())) if messages else []
            note_published(connection, tenant_id, list(messages))
        return outcomes | {
            place: Published(planned[place], at) for place, at in zip(messages, written, strict=True)
        }

    def _drafts(self, tenant_id: UUID, places: Sequence[Place], wish: Wish) -> dict[Place, Draft | ApiError]:
        letters = read_letters(self._kafka, places)
        own = [one for one in letters.values() if isinstance(one, Letter) and one.owner.tenant_id == tenant_id]
        surroundings = self._surroundings(tenant_id, own)
        origins = self._origins(own)
        drafts: dict[Place, Draft | ApiError] = {}
        for place in places:
            letter = letters[place]
            try:
                if isinstance(letter, Lost):
                    raise GoneError(f"dead letter {place} is gone: {letter.reason}")
                drafts[place] = self._draft(tenant_id, letter, surroundings, origins.get(place), wish)
            except ApiError as error:
                drafts[place] = error
        return drafts

    def _draft(
        self, tenant_id: UUID, letter: Letter, around: _Surroundings, origin: FoundRecord | None, wish: Wish
    ) -> Draft:
        owner = letter.owner
        if owner.tenant_id != tenant_id or owner.delivery_id is None:
            raise NotFoundError(f"no dead letter {letter.place}")
        config = None if owner.webhook_id is None else around.configs.get(owner.webhook_id)
        if config is None or not config.is_active:
            raise ConflictError("its webhook is gone, or takes no requests: nothing of it is run")
        logged = around.logged.get(owner.delivery_id)
        withheld = withheld_reason(
            letter,
            is_erased=logged is not None and logged.is_erased,
            body_days=around.body_days.get(owner.webhook_id, around.body_days[None]),
            now_us=now_us(),
        )
        if withheld is not None:
            raise GoneError(f"dead letter {letter.place} cannot be tried again: {withheld}")
        if letter.place.topic == ACTION_DEAD_LETTERS:
            has_ended = command_id_of(letter) in around.applied or (logged is not None and logged.has_ended)
            return command_draft(letter, owner.delivery_id, has_ended=has_ended, change=wish.change)
        found = found_request(letter)
        return self._request_draft(found if origin is None else origin, config, wish)

    def _request_draft(self, found: FoundRecord, config: WebhookConfig, wish: Wish) -> RequestDraft:
        if wish.change is None:
            if found.facts.invalid_json:
                raise ConflictError("its body is no JSON: give another one")
            return RequestDraft(found, config, wish.mode, None)
        body, content_type = wish.change.body_of(found)
        request = tried_request(found, body, content_type)
        worked_out = work_out(
            config,
            request,
            self._presets,
            at_us=origin_received_at_us(found),
            timeout_seconds=self._key_timeout_seconds,
        )
        return RequestDraft(found, config, wish.mode, ChangedBody(body, worked_out))

    def _surroundings(self, tenant_id: UUID, letters: Sequence[Letter]) -> _Surroundings:
        webhook_ids = {one.owner.webhook_id for one in letters if one.owner.webhook_id is not None}
        delivery_ids = {one.owner.delivery_id for one in letters if one.owner.delivery_id is not None}
        command_ids = {command_id_of(one) for one in letters if one.place.topic == ACTION_DEAD_LETTERS} - {None}
        with self._repository.transaction(tenant_id) as connection:
            records = read_records(connection, [(tenant_id, webhook_id) for webhook_id in sorted(webhook_ids)])
        shown = self._repository.shown_webhooks(tenant_id, webhook_ids)
        return _Surroundings(
            {webhook_id: config for (_, webhook_id), config in records.items()},
            {webhook_id: one.body_days for webhook_id, one in shown.items()},
            self._repository.logged(tenant_id, delivery_ids),
            self._repository.applied(tenant_id, [one for one in command_ids if one is not None]),
        )

    def _origins(self, letters: Sequence[Letter]) -> dict[Place, FoundRecord]:
        """By letter the request's own record, which also knows when it was written, while its topic keeps it."""
        wanted: dict[Place, Place] = {}
        for letter in letters:
            if letter.place.topic == REQUEST_DEAD_LETTERS and letter.failure is not None:
                wanted[letter.place] = Place(*letter.failure.origin.model_dump().values()[:3])
        return {}


def _planned(
    connection: Connection, row: Row | None, draft: Draft | ApiError, decision: Decision, replay_id: UUID
) -> NewIds | ApiError:
    """The ids to publish a letter under: new ones, or those of a plan that was not ended."""
    if row is None:
        return draft if isinstance(draft, NotFoundError) else NotFoundError("no such dead letter")
    if isinstance(draft, ApiError):
        return draft
    if row["state"] == "open":
        ids = draft.ids(replay_id, microseconds(decision.at))
        plan = {"replay_id": ids.replay_id, "new_delivery_id": ids.delivery_id, "change_digest": draft.digest}
        plan_redrive(connection, place_of(row), decision, plan)
        return ids
    if row["state"] == "redriven" and row["published_at"] is None:
        if row["change_digest"] == draft.digest:
            return planned_ids(row)
        return ConflictError("it was begun to be re-driven with another change: give the same one, which ends that")
    return _decided_before(place_of(row), row)
