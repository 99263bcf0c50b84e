"""Dead letters of a tenant: which there are, what is in one, and what is done with them."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from infra.clock import now_us
from infra.errors import KafkaUnavailableError
from infra.settings import Settings
from management.access import Actor
from management.dead_letters.letters import Letter, parse_place
from management.dead_letters.planning import Wish
from management.dead_letters.reading import read_letters
from management.dead_letters.redriving import Outcome, Published, Redriving
from management.dead_letters.repository import DeadLetterRepository, Decision, dismiss, lock_letters
from management.dead_letters.schemas import (
    REDRIVEN_MAX,
    DeadLetter,
    DeadLetterDetail,
    DeadLetterFilter,
    LetterDismissal,
    LetterRedrive,
    ManyRedrives,
    NotRedriven,
    Redriven,
    RedriveSummary,
)
from management.dead_letters.showing import Visibility, shown_detail, shown_letter, withheld_reason
from management.errors import ApiError, ConflictError, NotFoundError, UnavailableError
from management.log_pages import LogPage
from management.replaying.places import Lost, Place
from schemas.presets import Preset


class DeadLetterService:
    """A tenant sees its own letters. Raises NotFoundError for others', UnavailableError without Kafka, and as the
    stores do."""

    def __init__(self, repository: DeadLetterRepository, settings: Settings, presets: Mapping[str, Preset]) -> None:
        self._repository = repository
        self._kafka = settings.kafka
        self._redriving = Redriving(repository, settings, presets)

    def close(self) -> None:
        """Let the connections go."""
        self._redriving.close()

    def page(self, tenant_id: UUID, wanted: DeadLetterFilter) -> LogPage[DeadLetter]:
        """A page, newest first."""
        rows, meta = self._repository.page(tenant_id, wanted)
        return LogPage(data=[shown_letter(row) for row in rows], meta=meta)

    def get(self, tenant_id: UUID, letter_id: str) -> DeadLetterDetail:
        """One letter with its record."""
        place = _place(letter_id)
        row = self._repository.get(tenant_id, place)
        try:
            letter = read_letters(self._kafka, [place])[place]
        except KafkaUnavailableError as error:
            raise UnavailableError("the letter cannot be read now, try again") from error
        if isinstance(letter, Lost):
            return shown_detail(row, letter, Visibility(None, ()))
        if letter.owner.tenant_id != tenant_id:  # the topic was made anew since the index was
            raise NotFoundError(f"no dead letter {place}")
        return shown_detail(row, letter, self._visibility(tenant_id, letter))

    def dismiss(self, actor: Actor, letter_id: str, given: LetterDismissal) -> DeadLetter:
        """Have nothing done with an open letter. Raises ConflictError where something was."""
        place = _place(letter_id)
        with self._repository.transaction(actor.tenant_id) as connection:
            row = lock_letters(connection, actor.tenant_id, [place]).get(place)
            if row is None:
                raise NotFoundError(f"no dead letter {place}")
            if row["state"] != "open":
                raise ConflictError(f"dead letter {place} was {row['state']} before")
            dismiss(connection, place, Decision(actor, given.reason, datetime.now(UTC)))
        return shown_letter(self._repository.get(actor.tenant_id, place))

    def redrive(self, actor: Actor, letter_id: str, given: LetterRedrive) -> Redriven:
        """Give one another try. Raises ConflictError where something was done with it, GoneError, and for a change
        that cannot be ValidationFailedError."""
        place = _place(letter_id)
        self._repository.get(actor.tenant_id, place)
        outcome = self._redriven(actor, [place], Wish(given.reason, given.mode, given))[place]
        if isinstance(outcome, ApiError):
            raise outcome
        return _shown(place, outcome)

    def redrive_many(self, actor: Actor, given: ManyRedrives) -> RedriveSummary:
        """Give many another try, so many in a second, in the order of their partitions."""
        wanted, unknown, has_more = self._wanted(actor.tenant_id, given)
        summary = RedriveSummary(redriven=[], refused=unknown, has_more=has_more)
        for first in range(0, len(wanted), given.rate_per_second):
            started = time.monotonic()
            part = wanted[first : first + given.rate_per_second]
            for place, outcome in self._redriven(actor, part, Wish(given.reason, given.mode)).items():
                if isinstance(outcome, ApiError):
                    summary.refused.append(NotRedriven(id=str(place), code=outcome.code, message=str(outcome)))
                else:
                    summary.redriven.append(_shown(place, outcome))
            if first + len(part) < len(wanted):
                time.sleep(max(0.0, 1.0 - (time.monotonic() - started)))
        return summary

    def _wanted(self, tenant_id: UUID, given: ManyRedrives) -> tuple[list[Place], list[NotRedriven], bool]:
        if given.filter is not None:
            places = self._repository.open_places(tenant_id, given.filter, REDRIVEN_MAX + 1)
            return places[:REDRIVEN_MAX], [], len(places) > REDRIVEN_MAX
        named = {text: parse_place(text) for text in given.ids or ()}
        unknown = [
            NotRedriven(id=text, code=NotFoundError.code, message=f"no dead letter {text}")
            for text, place in named.items()
            if place is None
        ]
        return sorted({place for place in named.values() if place is not None}), unknown, False

    def _redriven(self, actor: Actor, places: list[Place], wish: Wish) -> dict[Place, Outcome]:
        try:
            return self._redriving.redrive(actor, places, wish)
        except KafkaUnavailableError as error:
            raise UnavailableError("Kafka is away, try again: what was begun is ended then") from error

    def _visibility(self, tenant_id: UUID, letter: Letter) -> Visibility:
        _, webhook_id, delivery_id = letter.owner
        logged = {} if delivery_id is None else self._repository.logged(tenant_id, [delivery_id])
        shown = self._repository.shown_webhooks(tenant_id, [] if webhook_id is None else [webhook_id])
        webhook = shown.get(webhook_id, shown[None])
        is_erased = any(one.is_erased for one in logged.values())
        reason = withheld_reason(letter, is_erased=is_erased, body_days=webhook.body_days, now_us=now_us())
        return Visibility(reason, webhook.redact_paths)


def _place(letter_id: str) -> Place:
    place = parse_place(letter_id)
    if place is None:
        raise NotFoundError(f"no dead letter {letter_id}")
    return place


def _shown(place: Place, outcome: Published) -> Redriven:
    ids = outcome.ids
    return Redriven(id=str(place), new_delivery_id=ids.delivery_id, replay_id=ids.replay_id, place=str(outcome.place))
