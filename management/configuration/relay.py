"""The relay: what is committed in Postgres goes to configuration.webhook.changed.v1, and nothing else does.

One relay leads among all management processes; the others stand by. docs/adr/0010-configuration-relay.md says why no
older state can follow a newer one.
"""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from hashlib import blake2b
from itertools import islice
from uuid import UUID

from infra import metrics
from infra.compacted import read_to_end
from infra.errors import KafkaUnavailableError, PostgresUnavailableError
from infra.log import get_logger
from infra.role import PartHealth
from infra.settings import Settings
from infra.topics import CONFIGURATION
from infra.transactions import FencedProducer
from infra.webhooks import webhook_key
from management.configuration.progress import Progress
from management.configuration.records import RECORD_BYTES_MAX, WebhookKey, record_value
from management.configuration.repository import RelaySession, relay_session
from schemas.webhooks import WebhookConfig

CLIENT_ID = "hookline-relay"
TRANSACTIONAL_ID = "hookline-configuration-relay"
_BATCH_CHANGES_MAX = 500
_POLL_SECONDS = 0.5
_STANDBY_POLL_SECONDS = 0.2
_KEEP_UP_SECONDS = 0.1
_RETRY_SECONDS = 1.0
# Below IDLE_SECONDS_MAX of the session, which hears nothing meanwhile.
_PUBLISH_SECONDS_MAX = 8.0
_OBSERVE_INTERVAL_SECONDS = 1.0
_DIGEST_BYTES = 16

_log = get_logger(__name__)


class ConfigurationRelay:
    """A thread of the role management, and a part whose health is shown."""

    name = "relay"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._progress = Progress()
        self._observed_at = self._kept_up_at = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=CLIENT_ID, daemon=True)

    def start(self) -> None:
        """Returns at once, also while the stores are away."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Finish the batch at hand and give the lead away."""
        self._stopping.set()
        self._thread.join(timeout_seconds)

    def health(self) -> PartHealth:
        """Ready when it stands by, or when it leads and the topic holds what the tables held at its beginning."""
        return self._progress.health(self.name, alive=self._thread.is_alive())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with relay_session(self._settings.postgres) as session:
                    self._serve(session)
            except (PostgresUnavailableError, KafkaUnavailableError) as error:
                reason = f"Kafka: {error}" if isinstance(error, KafkaUnavailableError) else str(error)
                if self._progress.note_trouble(reason):
                    _log.warning("configuration.relay.waiting", reason=reason)
                metrics.CONFIGURATION_LEADER.set(0)
                self._stopping.wait(_RETRY_SECONDS)
        metrics.CONFIGURATION_LEADER.set(0)

    def _serve(self, session: RelaySession) -> None:
        """Stand by until the lead is free, then lead. Giving up the session gives up the lead."""
        while not self._stopping.is_set():
            if session.try_lead():
                self._lead(session)
                return
            self._observe(session)
            self._progress.note_standby()
            self._stopping.wait(_STANDBY_POLL_SECONDS)

    def _lead(self, session: RelaySession) -> None:
        self._progress.note_taking_over()
        producer = FencedProducer(
            self._settings.kafka,
            transactional_id=TRANSACTIONAL_ID,
            client_id=CLIENT_ID,
            timeout_seconds=_PUBLISH_SECONDS_MAX,
        )
        with closing(producer):
            self._keep_up(session, producer)
            self._publish_differences(session, producer)
            self._progress.note_lead()
            metrics.CONFIGURATION_LEADER.set(1)
            _log.info("configuration.relay.leads")
            while not self._stopping.is_set():
                if not self._publish_changes(session, producer):
                    session.await_change(_POLL_SECONDS)
                self._observe(session)

    def _publish_changes(self, session: RelaySession, producer: FencedProducer) -> bool:
        """The oldest changes; False when there are none. A crash before the deletion publishes the same webhooks
        again, as they are then."""
        started = time.monotonic()
        batch = session.read_changes(_BATCH_CHANGES_MAX)
        if batch is None:
            return False
        self._publish(producer, batch.keys, batch.records)
        session.delete_changes(batch.changes)
        seconds, age_seconds = time.monotonic() - started, max(0.0, time.time() - batch.oldest_at)
        metrics.CONFIGURATION_CHANGES.inc(len(batch.changes))
        metrics.CONFIGURATION_CHANGE_SECONDS.observe(age_seconds)
        _log.info(
            "configuration.published",
            changes=len(batch.changes),
            webhooks=len(batch.keys),
            milliseconds=round(seconds * 1_000, 1),
            oldest_milliseconds=round(age_seconds * 1_000, 1),
        )
        return True

    def _publish_differences(self, session: RelaySession, producer: FencedProducer) -> None:
        """Bring the topic level with the tables: it may have been made anew, or the database restored.

        Changes go on meanwhile: what they published may be published again, as it is by then. Memory: a digest per
        webhook.
        """
        published = self._read_digests(session, producer)
        differing = 0
        for page in session.page_webhooks(_BATCH_CHANGES_MAX):
            self._keep_up(session, producer)
            records = session.read_webhooks(page)
            found = {key: published.pop(_record_key(key), None) for key in page}
            keys = [key for key in page if found[key] != _digest(_value(records.get(key)))]
            self._publish(producer, keys, records)
            differing += len(keys)
        for strays in _batches(sorted(published)):
            self._keep_up(session, producer)
            known = {_record_key(key): record for key, record in self._read_strays(session, strays).items()}
            producer.publish(CONFIGURATION, [(stray, _value(known.get(stray))) for stray in strays])
            differing += len(strays)
        if differing:
            _log.warning("configuration.differences.published", webhooks=differing)

    def _read_digests(self, session: RelaySession, producer: FencedProducer) -> dict[bytes, bytes]:
        """What the topic holds: a digest of each value by its key."""
        digests: dict[bytes, bytes] = {}
        for message in read_to_end(self._settings.kafka, CONFIGURATION, client_id=CLIENT_ID):
            key, digest = message.key() or b"", _digest(message.value())
            if digest is None:
                digests.pop(key, None)
            else:
                digests[key] = digest
            self._keep_up(session, producer)
        return digests

    def _keep_up(self, session: RelaySession, producer: FencedProducer) -> None:
        """Publish what was changed, ten times a second, while something else is being done."""
        now = time.monotonic()
        if now - self._kept_up_at >= _KEEP_UP_SECONDS:
            self._kept_up_at = now
            while not self._stopping.is_set() and self._publish_changes(session, producer):
                pass
            self._observe(session)

    @staticmethod
    def _read_strays(session: RelaySession, strays: Sequence[bytes]) -> dict[WebhookKey, WebhookConfig]:
        """Webhooks by their keys on the topic: none, but for those made again since the tables were paged."""
        return session.read_webhooks([key for stray in strays if (key := _webhook_key(stray)) is not None])

    def _publish(
        self, producer: FencedProducer, keys: Sequence[WebhookKey], records: Mapping[WebhookKey, WebhookConfig]
    ) -> None:
        """In the order of the keys; a webhook without a record is taken out of force."""
        if keys:
            producer.publish(CONFIGURATION, [(_record_key(key), _value(records.get(key))) for key in keys])
            self._progress.note_published()

    def _observe(self, session: RelaySession) -> None:
        """What waits, once a second; the server hears of the session by it."""
        now = time.monotonic()
        if now - self._observed_at >= _OBSERVE_INTERVAL_SECONDS:
            self._observed_at = now
            self._progress.note_waiting(*session.count_changes())


def _record_key(key: WebhookKey) -> bytes:
    return webhook_key(str(key[0]), str(key[1])).encode()


def _webhook_key(record_key: bytes) -> WebhookKey | None:
    """None for a key that names no webhook."""
    try:
        tenant_id, webhook_id = record_key.decode("ascii").split("/")
        return UUID(tenant_id), UUID(webhook_id)
    except ValueError:
        return None


def _value(record: WebhookConfig | None) -> bytes | None:
    """The record as it is published; None takes the webhook out of force."""
    if record is None:
        return None
    value = record_value(record)
    if len(value) <= RECORD_BYTES_MAX:
        return value
    # None is saved so large; one that the broker refuses would hold up every other webhook's changes.
    _log.error("configuration.record.too_large", webhook_id=record.webhook_id, bytes=len(value))
    return None


def _digest(value: bytes | None) -> bytes | None:
    return None if value is None else blake2b(value, digest_size=_DIGEST_BYTES).digest()


def _batches(keys: Iterable[bytes]) -> Iterable[list[bytes]]:
    remaining = iter(keys)
    while batch := list(islice(remaining, _BATCH_CHANGES_MAX)):
        yield batch
