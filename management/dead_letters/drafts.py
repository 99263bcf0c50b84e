"""What a letter would be published as, worked out before anything is decided. Pure."""

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from infra.postgres import Row
from infra.topics import EXPEDITED, RECEIVED, REQUEST_DEAD_LETTERS
from management.dead_letters.commands import Renewal, origin_of, redriven_command
from management.dead_letters.letters import Letter
from management.delivery_replays.changing import Changed
from management.errors import ConflictError
from management.paging import microseconds
from management.replaying.places import FoundRecord, Place
from management.replaying.publishing import message_of
from management.replaying.records import origin_id_of, replay_delivery_id, replay_record
from management.replaying.selections import ReplayMode
from schemas import headers as record_headers
from schemas.records import RequestFacts
from schemas.webhooks import WebhookConfig


class NewIds(NamedTuple):
    """Of the delivery that comes of a letter, as they were planned."""

    replay_id: UUID
    delivery_id: UUID
    at_us: int


@dataclass(frozen=True, slots=True)
class RequestDraft:
    """A request, to be published where it came from."""

    found: FoundRecord
    config: WebhookConfig
    mode: ReplayMode
    change: Changed | None

    @property
    def own_id(self) -> UUID:
        """The letter's delivery."""
        return UUID(self.found.headers.delivery_id)

    @property
    def origin_id(self) -> UUID:
        """Whose replays this counts among."""
        return UUID(origin_id_of(self.found.headers))

    def ids(self, replay_id: UUID, at_us: int) -> NewIds:
        """What it is to be known by."""
        delivery_id = replay_delivery_id(str(replay_id), origin_id_of(self.found.headers), at_us)
        return NewIds(replay_id, UUID(delivery_id), at_us)

    def message(self, ids: NewIds) -> tuple[str, dict[str, Any]]:
        """Topic and message, the same however often they are made."""
        record = replay_record(
            self.found,
            self.config,
            replay_id=str(ids.replay_id),
            mode=self.mode,
            delivery_id=str(ids.delivery_id),
            at_us=ids.at_us,
            changed=None if self.change is None else self.change.worked_out,
            body=None if self.change is None else self.change.body,
        )
        return record.topic, message_of(record)


@dataclass(frozen=True, slots=True)
class CommandDraft:
    """An action's command: the same where it never ran, and for a new delivery where the letter's has ended."""

    letter: Letter
    config: WebhookConfig
    own_id: UUID
    has_ended: bool
    fields: dict[str, Any] | None

    @property
    def origin_id(self) -> UUID:
        """Whose replays this counts among."""
        return origin_of(self.letter) or self.own_id

    def ids(self, replay_id: UUID, at_us: int) -> NewIds:
        """What it is to be known by."""
        if not self.has_ended:
            return NewIds(replay_id, self.own_id, at_us)
        return NewIds(replay_id, UUID(replay_delivery_id(str(replay_id), str(self.origin_id), at_us)), at_us)

    def message(self, ids: NewIds) -> tuple[str, dict[str, Any]]:
        """Topic and message, the same however often they are made."""
        is_new = ids.delivery_id != self.own_id
        command = redriven_command(self.letter, self.fields, Renewal(*ids) if is_new else None)
        return command.topic, {"key": command.key, "value": command.value, "headers": command.headers}


Draft = RequestDraft | CommandDraft


def planned_ids(row: Row) -> NewIds:
    """Of a letter that was to be re-driven before."""
    return NewIds(row["replay_id"], row["new_delivery_id"], microseconds(row["decided_at"]))


def found_request(letter: Letter) -> FoundRecord:
    """The request of a letter, at the place that it had in its raw topic. Raises ConflictError."""
    if letter.place.topic != REQUEST_DEAD_LETTERS or letter.failure is None:
        raise ConflictError("it is no request")
    origin = letter.failure.origin
    if origin.topic not in (RECEIVED, EXPEDITED):
        raise ConflictError("it does not say which topic it comes from")
    headers = record_headers.decode(letter.headers)
    try:
        facts = RequestFacts.model_validate_json(headers.request)
    except ValidationError:
        raise ConflictError("what its headers say of the request cannot be read") from None
    place = Place(origin.topic, origin.partition, origin.offset)
    return FoundRecord(place, letter.key or b"", letter.value, headers, headers.received_at_us // 1_000, facts)
