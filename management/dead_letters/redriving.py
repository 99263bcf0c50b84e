"""Letters published again: noted first, published then, and noted as published. Each step may be done twice.

A letter is planned in one transaction, with the ids of what comes of it; it is published in another one, which holds
its row. Who dies between leaves a plan that the next call for the letter ends, with the same ids: two records of the
same delivery have one effect.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from infra.clock import now_us
from infra.settings import Settings
from infra.topics import ACTION_DEAD_LETTERS, REQUEST_DEAD_LETTERS
from management.access import Actor
from management.configuration.records import read_records
from management.dead_letters.changes import changed_fields
from management.dead_letters.commands import command_id_of, fields_of
from management.dead_letters.drafts import (
    CommandDraft,
    Draft,
    NewIds,
    RequestDraft,
    found_request,
)
from management.dead_letters.letters import Letter
from management.dead_letters.planning import Wish, decided, plan
from management.dead_letters.reading import read_letters
from management.dead_letters.repository import (
    DeadLetterRepository,
    Decision,
    LoggedDelivery,
    lock_letters,
    note_published,
)
from management.dead_letters.showing import withheld_reason
from management.delivery_replays.changing import changed_body, is_changed
from management.errors import (
    ApiError,
    GoneError,
    NotFoundError,
    Problem,
    ReplayRefusedError,
    ValidationFailedError,
)
from management.replaying.done import Done
from management.replaying.places import FoundRecord, Lost, Place
from management.replaying.publishing import RecordPublisher
from management.replaying.reading import RecordReader
from management.replaying.reworking import Reworking
from schemas.presets import Preset
from schemas.webhooks import WebhookConfig

_CLIENT_ID = "hookline-management-dead-letters"
_READ_SECONDS_MAX = 30.0


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
        done = self._done(actor.tenant_id, drafts) if wish.mode == "fill" else {}
        decision = Decision(actor, wish.reason, datetime.now(UTC))
        with self._repository.transaction(actor.tenant_id) as connection:
            planned = plan(connection, drafts, decision, wish, done)
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
                    outcomes[place] = decided(place, row)
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

    def _done(self, tenant_id: UUID, drafts: Mapping[Place, Draft | ApiError]) -> dict[str, Done]:
        found = [draft for draft in drafts.values() if not isinstance(draft, ApiError)]
        webhook_ids = {draft.config.webhook_id for draft in found}
        return self._repository.done(tenant_id, webhook_ids, {str(draft.origin_id) for draft in found})

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
