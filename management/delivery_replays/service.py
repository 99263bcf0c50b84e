"""Replays of single deliveries: found in Kafka or the log, counted and noted, and published again."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from infra.clickhouse import Row
from infra.clock import MICROSECONDS, now_us
from infra.errors import KafkaUnavailableError
from infra.ids import uuid7_text
from infra.log import get_logger
from infra.settings import Settings
from management.access import Actor
from management.deliveries.repository import DeliveryRepository
from management.delivery_replays.changing import Changed, changed_body, is_changed
from management.delivery_replays.repository import DeliveryReplayRepository, PlannedReplay
from management.delivery_replays.schemas import DeliveryReplay, DeliveryReplayInput, ReplayPlace
from management.errors import (
    AlreadyDoneError,
    ConflictError,
    GoneError,
    NotFoundError,
    ReplayRefusedError,
    TooManyRequestsError,
    UnavailableError,
)
from management.paging import microseconds
from management.rejections.repository import RejectionRepository
from management.replaying.places import FoundRecord, Lost
from management.replaying.publishing import RecordPublisher
from management.replaying.reading import RecordReader
from management.replaying.records import origin_id_of, replay_delivery_id, replay_record
from management.replaying.reworking import Reworking
from management.replaying.stored import ERASED, NOT_RECORDED, found_or_stored, place_of, with_origin
from management.webhook_tests.records import RawRecord
from schemas.presets import Preset
from schemas.webhooks import WebhookConfig

_READERS_MAX = 4
_READER_WAIT_SECONDS = 10.0
_READ_SECONDS_MAX = 10.0
_log = get_logger(__name__)


class DeliveryReplayService:
    """Raises NotFoundError, ReplayRefusedError, GoneError, and as the stores do."""

    def __init__(
        self,
        repository: DeliveryReplayRepository,
        deliveries: DeliveryRepository,
        rejections: RejectionRepository,
        settings: Settings,
        presets: Mapping[str, Preset],
    ) -> None:
        self._repository = repository
        self._deliveries = deliveries
        self._rejections = rejections
        self._kafka = settings.kafka
        self._reworking = Reworking(presets, settings.ingress.key_timeout_milliseconds / 1_000)
        self._publisher = RecordPublisher(settings.kafka, "hookline-management-replays")
        self._readers = threading.BoundedSemaphore(_READERS_MAX)

    def close(self) -> None:
        """Let the connections go."""
        self._publisher.close()

    def replay(
        self, actor: Actor, webhook_id: UUID | None, delivery_id: UUID, given: DeliveryReplayInput
    ) -> DeliveryReplay:
        """Publish it again. It is counted and audited before it acts, so that whatever it does can be traced."""
        row = self._row(actor.tenant_id, webhook_id, delivery_id)
        config = self._config(actor.tenant_id, row["webhook_id"], is_named=webhook_id is not None)
        found = self._found(actor.tenant_id, row, config)
        changed = None if not is_changed(given) else changed_body(self._reworking, config, found, given)
        if changed is None and found.facts.invalid_json:
            raise ReplayRefusedError("invalid_json", "the delivery's body is not JSON: give a body to replay it with")
        planned = _planned(row, found, given, changed)
        if given.mode == "fill":
            self._require_gap(actor.tenant_id, planned)
        record = replay_record(
            found,
            config,
            replay_id=str(planned.replay_id),
            mode=planned.mode,
            delivery_id=str(planned.delivery_id),
            at_us=microseconds(planned.replayed_at),
            changed=None if changed is None else changed.worked_out,
            body=None if changed is None else changed.body,
        )
        self._repository.add(actor, planned, config.replay_count_max)
        return DeliveryReplay(
            delivery_id=planned.delivery_id,
            replay_id=planned.replay_id,
            replayed_from=planned.origin_id,
            mode=planned.mode,
            source="stored" if found.is_stored else "kafka",
            raw_record=self._publish(record, planned),
        )

    def _row(self, tenant_id: UUID, webhook_id: UUID | None, delivery_id: UUID) -> Row:
        row = self._deliveries.get_stored(tenant_id, delivery_id, webhook_id)
        if row is not None:
            return row
        if self._rejections.get(tenant_id, delivery_id) is not None:
            message = f"{delivery_id} is a rejected request: what was not accepted is never replayed"
            raise NotFoundError(message)
        raise NotFoundError(f"no delivery {delivery_id}")

    def _config(self, tenant_id: UUID, webhook_id: UUID, *, is_named: bool) -> WebhookConfig:
        config = self._repository.webhook(tenant_id, webhook_id)
        if config is None and is_named:
            raise NotFoundError(f"no webhook {webhook_id}")
        if config is None:
            raise ReplayRefusedError("webhook_inactive", f"its webhook {webhook_id} was deleted")
        if not config.is_active:
            raise ReplayRefusedError("webhook_inactive", f"its webhook {webhook_id} is not active")
        return config

    def _found(self, tenant_id: UUID, row: Row, config: WebhookConfig) -> FoundRecord:
        """The delivery's record, with what is to be known of its origin."""
        if place_of(row) is None:
            raise ConflictError(f"{NOT_RECORDED}: its request is on its way there, try again")
        found = found_or_stored(self._read(row), row)
        if isinstance(found, Lost):
            raise GoneError(f"delivery {row['delivery_id']} cannot be replayed any more: {found.reason}")
        replay = found.headers.replay
        if replay is not None and replay.place is None:
            origin = self._deliveries.get_stored(tenant_id, UUID(replay.replay_of), row["webhook_id"])
            if origin is None:
                raise GoneError(f"its origin, delivery {replay.replay_of}, is no longer in the log")
            found = with_origin(found, origin)
        return self._reworking.keyed(found, config) if found.is_stored else found

    def _read(self, row: Row) -> FoundRecord | Lost:
        place = place_of(row)
        if place is None or row["is_erased"]:
            return Lost(place, NOT_RECORDED if place is None else ERASED)
        if not self._readers.acquire(timeout=_READER_WAIT_SECONDS):
            raise TooManyRequestsError("other replays are being read from Kafka", headers={"Retry-After": "1"})
        try:
            with RecordReader(self._kafka) as reader:
                return reader.read([place], seconds_max=_READ_SECONDS_MAX)[place]
        except KafkaUnavailableError as error:
            _log.warning("replays.not_read", delivery_id=str(row["delivery_id"]), reason=str(error))
            raise UnavailableError("Kafka is away: nothing was replayed, try again") from error
        finally:
            self._readers.release()

    def _require_gap(self, tenant_id: UUID, planned: PlannedReplay) -> None:
        done = self._repository.find_done(tenant_id, planned.webhook_id, planned.origin_id)
        if done is not None:
            raise AlreadyDoneError(done.words)

    def _publish(self, record: RawRecord, planned: PlannedReplay) -> ReplayPlace:
        try:
            [place] = self._publisher.publish([record])
        except KafkaUnavailableError as error:
            _log.warning("replays.not_sent", replay_id=str(planned.replay_id), reason=str(error))
            message = "Kafka is away: the replay was not acknowledged. It may be there all the same, and counts: look "
            raise UnavailableError(message + f"for delivery {planned.delivery_id} before you try again") from error
        return ReplayPlace(**place._asdict())


def _planned(row: Row, found: FoundRecord, given: DeliveryReplayInput, changed: Changed | None) -> PlannedReplay:
    at_us = now_us()
    origin_id, replay_id = origin_id_of(found.headers), uuid7_text(at_us)
    return PlannedReplay(
        UUID(replay_delivery_id(replay_id, origin_id, at_us)),
        row["webhook_id"],
        UUID(origin_id),
        UUID(replay_id),
        given.mode,
        given.reason,
        datetime.fromtimestamp(at_us / MICROSECONDS, UTC),
        None if changed is None else changed.kind,
        None if changed is None else changed.operations,
    )
