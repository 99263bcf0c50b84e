"""The configuration relay: what is committed in Postgres goes to configuration.webhook.changed.v1, nothing else does.

docs/adr/0010-configuration-relay.md says why no older state can follow a newer one.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from itertools import islice
from uuid import UUID

from infra.compacted import read_to_end
from infra.log import get_logger
from infra.metrics import CONFIGURATION_RELAY
from infra.settings import Settings
from infra.topics import CONFIGURATION
from infra.transactions import FencedProducer, KeyedRecord
from infra.webhooks import webhook_key
from management.configuration.records import RECORD_BYTES_MAX, WebhookKey, record_value
from management.configuration.repository import ConfigurationSession, configuration_session
from management.relays.progress import Progress
from management.relays.relay import Relay
from schemas.webhooks import WebhookConfig

_BATCH_CHANGES_MAX = 500
_POLL_SECONDS = 0.5
_KEEP_UP_SECONDS = 0.1
_DIGEST_BYTES = 16

_log = get_logger(__name__)


class ConfigurationRelay(Relay[ConfigurationSession]):
    """Ready when it leads once the topic holds what the tables held at its beginning."""

    name = "relay"
    client_id = "hookline-relay"
    transactional_id = "hookline-configuration-relay"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, Progress(CONFIGURATION_RELAY, "change", "comparing the topic with the tables"))
        self._kept_up_at = float("-inf")

    def _open_session(self) -> AbstractContextManager[ConfigurationSession]:
        return configuration_session(self._settings.postgres)

    def _lead(self, session: ConfigurationSession, producer: FencedProducer) -> None:
        self._keep_up(session, producer)
        self._publish_differences(session, producer)
        self._note_lead()
        while not self._stopping.is_set():
            if not self._publish_changes(session, producer):
                session.await_change(_POLL_SECONDS)
            self._observe(session)

    def _publish_changes(self, session: ConfigurationSession, producer: FencedProducer) -> bool:
        """The oldest changes; False when there are none. A crash before the deletion publishes the same webhooks
        again, as they are then."""
        started = time.monotonic()
        batch = session.read_changes(_BATCH_CHANGES_MAX)
        if batch is None:
            return False
        self._publish(producer, batch.keys, batch.records)
        session.delete_changes(batch.changes)
        seconds, age_seconds = time.monotonic() - started, max(0.0, time.time() - batch.oldest_at)
        CONFIGURATION_RELAY.published.inc(len(batch.changes))
        CONFIGURATION_RELAY.publish_seconds.observe(age_seconds)
        _log.info(
            "configuration.published",
            changes=len(batch.changes),
            webhooks=len(batch.keys),
            milliseconds=round(seconds * 1_000, 1),
            oldest_milliseconds=round(age_seconds * 1_000, 1),
        )
        return True

    def _publish_differences(self, session: ConfigurationSession, producer: FencedProducer) -> None:
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
            producer.publish(CONFIGURATION, [KeyedRecord(stray, _value(known.get(stray))) for stray in strays])
            differing += len(strays)
        if differing:
            _log.warning("configuration.differences.published", webhooks=differing)

    def _read_digests(self, session: ConfigurationSession, producer: FencedProducer) -> dict[bytes, bytes]:
        """What the topic holds: a digest of each value by its key."""
        digests: dict[bytes, bytes] = {}
        for message in read_to_end(self._settings.kafka, CONFIGURATION, client_id=self.client_id):
            key, digest = message.key() or b"", _digest(message.value())
            if digest is None:
                digests.pop(key, None)
            else:
                digests[key] = digest
            self._keep_up(session, producer)
        return digests

    def _keep_up(self, session: ConfigurationSession, producer: FencedProducer) -> None:
        """Publish what was changed, ten times a second, while something else is being done."""
        now = time.monotonic()
        if now - self._kept_up_at >= _KEEP_UP_SECONDS:
            self._kept_up_at = now
            while not self._stopping.is_set() and self._publish_changes(session, producer):
                pass
            self._observe(session)

    @staticmethod
    def _read_strays(session: ConfigurationSession, strays: Sequence[bytes]) -> dict[WebhookKey, WebhookConfig]:
        """Webhooks by their keys on the topic: none, but for those made again since the tables were paged."""
        return session.read_webhooks([key for stray in strays if (key := _webhook_key(stray)) is not None])

    def _publish(
        self, producer: FencedProducer, keys: Sequence[WebhookKey], records: Mapping[WebhookKey, WebhookConfig]
    ) -> None:
        """In the order of the keys; a webhook without a record is taken out of force."""
        if keys:
            producer.publish(CONFIGURATION, [KeyedRecord(_record_key(key), _value(records.get(key))) for key in keys])
            self._progress.note_published()


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
