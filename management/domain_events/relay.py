"""The relay of domain events: rows of the outbox go to domain.event.occurred.v1, in order per entity.

An event is published once or, after a crash in between, again under the same event id. docs/adr/0015-domain-events.md
says why none is lost and why the order holds.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager

from infra.log import get_logger
from infra.metrics import EVENT_RELAY, EVENTS_DROPPED
from infra.settings import Settings
from infra.topics import DOMAIN_EVENTS
from infra.transactions import FencedProducer, KeyedRecord
from management.domain_events.repository import EventSession, WaitingEvent, event_session
from management.relays.progress import Progress
from management.relays.relay import Relay
from schemas import headers as record_headers

_BATCH_EVENTS_MAX = 1_000
_POLL_SECONDS = 0.1

_log = get_logger(__name__)


class DomainEventRelay(Relay[EventSession]):
    """As a leader it is ready as soon as it has begun: whatever is not published yet stands in the outbox."""

    name = "events"
    client_id = "hookline-event-relay"
    transactional_id = "hookline-domain-event-relay"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, Progress(EVENT_RELAY, "event", "taking the lead"))

    def _open_session(self) -> AbstractContextManager[EventSession]:
        return event_session(self._settings.postgres)

    def _lead(self, session: EventSession, producer: FencedProducer) -> None:
        self._note_lead()
        while not self._stopping.is_set():
            if not self._publish_oldest(session, producer):
                self._stopping.wait(_POLL_SECONDS)
            self._observe(session)

    def _publish_oldest(self, session: EventSession, producer: FencedProducer) -> bool:
        """The oldest events; False when there are none. A crash before the deletion publishes them again."""
        started = time.monotonic()
        events = session.read_events(_BATCH_EVENTS_MAX)
        if not events:
            return False
        records = [record for event in events if (record := event_record(event)) is not None]
        if records:
            producer.publish(DOMAIN_EVENTS, records)
            self._progress.note_published()
        session.delete_events(events)
        self._note_batch(events, len(records), time.monotonic() - started)
        return True

    def _note_batch(self, events: Sequence[WaitingEvent], published: int, seconds: float) -> None:
        for event in events:
            if event.payload is None:
                _log.error(
                    "events.too_large",
                    tenant_id=str(event.tenant_id),
                    event_id=str(event.event_id),
                    event_type=event.event_type,
                    entity_id=str(event.entity_id),
                    bytes=event.size_bytes,
                )
        age_seconds = max(0.0, time.time() - min(event.created_at for event in events))
        EVENTS_DROPPED.inc(len(events) - published)
        EVENT_RELAY.published.inc(published)
        EVENT_RELAY.publish_seconds.observe(age_seconds)
        _log.info(
            "events.published",
            events=published,
            milliseconds=round(seconds * 1_000, 1),
            oldest_milliseconds=round(age_seconds * 1_000, 1),
        )


def event_record(event: WaitingEvent) -> KeyedRecord | None:
    """The event as it is published; None when the topic would not take it, so that the others need not wait for it."""
    if event.payload is None:
        return None
    headers = [
        (record_headers.TENANT_ID, str(event.tenant_id).encode()),
        (record_headers.EVENT_TYPE, event.event_type.encode()),
        (record_headers.HOPS, event.hops.encode()),
    ]
    return KeyedRecord(event_key(event), event.payload.encode(), headers)


def event_key(event: WaitingEvent) -> bytes:
    """All events of an entity have one key, and so one partition."""
    return f"{event.tenant_id}/{event.entity_id}".encode()
