"""Every webhook's configuration in memory, read from the compacted topic and kept live.

The table is read by ingress and processors. Management's relay writes the topic (`management.configuration.relay`).
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from pydantic import ValidationError

from infra.errors import SecretError
from infra.kafka import consumer_properties
from infra.log import get_logger
from infra.metrics import WEBHOOK_RECORDS_REFUSED
from infra.secretbox import SecretBox, webhook_context
from infra.settings import KafkaSettings
from infra.topics import CONFIGURATION
from schemas.webhooks import SealedSecret, WebhookConfig

_CONSUME_RECORDS_MAX = 500
_CONSUME_SECONDS = 0.1
#: Read ahead of the table; librdkafka's own 64 MiB would be a seventh of what 100,000 webhooks may take.
_QUEUED_KIBIBYTES_MAX = 8_192
#: How long a full queue is left alone; the usual second would be most of the time that reading everything takes.
_FETCH_BACKOFF_MILLISECONDS = 10
_METADATA_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_STOP_SECONDS = 10.0

OnChange = Callable[[], None]
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class LiveSecret:
    """A secret in the clear; after `valid_until_us` (None: no end) it proves nothing. Never shown."""

    value: bytes
    valid_until_us: int | None

    def __repr__(self) -> str:
        return "LiveSecret(…)"


class Webhook:
    """A webhook as it is in force: its configuration and its opened secrets. A change makes a new object.

    Most of an installation's webhooks are quiet most of the time, so the configuration is kept as its JSON, a sixth of
    its size as objects. `config` reads it anew each time (some 30 microseconds): hold on to what it returns.
    """

    __slots__ = ("_value", "secrets", "slug", "tenant_id", "tenant_slug", "version", "webhook_id")

    def __init__(self, config: WebhookConfig, secrets: tuple[LiveSecret, ...], value: bytes | None = None) -> None:
        self._value = config.model_dump_json().encode() if value is None else value
        self.secrets = secrets
        self.tenant_id = intern(config.tenant_id)
        self.tenant_slug = intern(config.tenant_slug)
        self.webhook_id = config.webhook_id
        self.slug = config.slug
        self.version = config.version

    @property
    def config(self) -> WebhookConfig:
        return WebhookConfig.model_validate_json(self._value)

    def is_made_of(self, value: bytes) -> bool:
        """Whether this is what the record's value says."""
        return self._value == value

    def __repr__(self) -> str:
        return f"Webhook({self.tenant_id}/{self.webhook_id} v{self.version})"


class WebhookTable:
    """All webhooks by slug and by id; lookups are safe from any thread and never block.

    `ready` once everything that was in the topic when the table started has been read. Records that do not parse or
    whose secrets do not open are counted in `refused`, logged by id, and leave the last good version in force. While
    the topic is read from its beginning, at the start or after a fault, nothing superseded comes into force.
    """

    def __init__(self, kafka_settings: KafkaSettings, secret_box: SecretBox, *, client_id: str) -> None:
        self._settings = kafka_settings
        self._secret_box = secret_box
        self._client_id = client_id
        self._by_slug: dict[tuple[str, str], Webhook] = {}
        self._by_key: dict[str, Webhook] = {}
        self._callbacks: list[OnChange] = []
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read_forever, name=f"{client_id}-webhooks", daemon=True)
        self.refused = 0

    @property
    def ready(self) -> bool:
        return self._ready.is_set()

    def __len__(self) -> int:
        return len(self._by_key)

    def start(self) -> None:
        """Begin to read; returns at once."""
        self._thread.start()

    def wait_ready(self, timeout_seconds: float) -> bool:
        """Whether the table became ready within the time."""
        return self._ready.wait(timeout_seconds)

    def stop(self) -> None:
        """Stop reading; lookups keep answering from what was read."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def find(self, tenant_slug: str, slug: str) -> Webhook | None:
        """The webhook behind a receiver URL, active or not."""
        return self._by_slug.get((tenant_slug, slug))

    def by_id(self, tenant_id: str, webhook_id: str) -> Webhook | None:
        """The webhook with this id in this tenant."""
        return self._by_key.get(webhook_key(tenant_id, webhook_id))

    def on_change(self, callback: OnChange) -> None:
        """Call `callback`, on the table's thread, after every batch of changes and when the table becomes ready."""
        self._callbacks.append(callback)

    def _read_forever(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read_until_broken()
            except KafkaException as error:
                _log.warning("webhooks.table.reconnecting", error=error.args[0].str())
                self._stopping.wait(_RETRY_SECONDS)

    def _read_until_broken(self) -> None:
        consumer = Consumer(_table_properties(self._settings, self._client_id))
        try:
            catching_up = _CatchingUp(_assign_everything(consumer))
            while not self._stopping.is_set():
                messages = consumer.consume(_CONSUME_RECORDS_MAX, _CONSUME_SECONDS)
                changed = [self._take(message, catching_up) for message in messages]
                if not catching_up.done and not catching_up.waiting:
                    changed.append(self._finish_catching_up(catching_up))
                if any(changed):
                    self._notify()
        finally:
            consumer.close()

    def _take(self, message: Message, catching_up: "_CatchingUp") -> bool:
        """One record or event: into the table, or kept until the end of the topic; True when something changed."""
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                catching_up.waiting.discard(message.partition())
                return False
            raise KafkaException(error)
        key = (message.key() or b"").decode("utf-8", "replace")
        record = _Record(message.offset() or 0, message.value())
        if catching_up.done:
            return self._apply(key, record)
        catching_up.add(key, record)
        return False

    def _apply(self, key: str, record: "_Record") -> bool:
        """Bring a record into force; False when it is refused or changes nothing."""
        if record.value is None:
            return self._remove(key)
        if key in self._by_key and self._by_key[key].is_made_of(record.value):
            return False
        try:
            webhook = self._open(key, record.value)
        except (ValidationError, SecretError) as problem:
            self._refuse(key, record, problem)
            return False
        self._remove_slug(key)
        self._by_key[key] = webhook
        self._by_slug[webhook.tenant_slug, webhook.slug] = webhook
        return True

    def _open(self, key: str, value: bytes) -> Webhook:
        config = WebhookConfig.model_validate_json(value)
        if key != webhook_key(config.tenant_id, config.webhook_id):
            raise SecretError("record key and webhook id differ")
        context = webhook_context(config.tenant_id, config.webhook_id)
        secrets = tuple(
            LiveSecret(self._secret_box.open(secret.sealed, context=context).encode(), secret.valid_until_us)
            for secret in config.auth_config.secrets
        )
        return Webhook(config, secrets, value)

    def _refuse(self, key: str, record: "_Record", problem: ValidationError | SecretError) -> None:
        self.refused += 1
        WEBHOOK_RECORDS_REFUSED.inc()
        members = (
            [".".join(map(str, e["loc"])) for e in problem.errors()] if isinstance(problem, ValidationError) else []
        )
        _log.error(
            "webhooks.record.refused",
            key=key,
            offset=record.offset,
            kind=type(problem).__name__,
            members=members,
            last_good_version=self._by_key[key].version if key in self._by_key else None,
        )

    def _remove(self, key: str) -> bool:
        self._remove_slug(key)
        return self._by_key.pop(key, None) is not None

    def _remove_slug(self, key: str) -> None:
        """Free the slug this webhook had, unless another webhook has taken it since."""
        old = self._by_key.get(key)
        if old is not None:
            slug = old.tenant_slug, old.slug
            if self._by_slug.get(slug) is old:
                del self._by_slug[slug]

    def _finish_catching_up(self, catching_up: "_CatchingUp") -> bool:
        for key in self._by_key.keys() - catching_up.records.keys():
            self._remove(key)
        for key in list(catching_up.records):
            records = catching_up.records.pop(key)  # let go of one by one: together they are as much as the table
            if not self._apply(key, records[-1]) and key not in self._by_key and records[-1].value is not None:
                self._apply(key, records[0])
        catching_up.done = True
        self._ready.set()
        _log.info("webhooks.table.ready", webhooks=len(self._by_key), refused=self.refused)
        return True

    def _notify(self) -> None:
        for callback in self._callbacks:
            callback()


class _Record(NamedTuple):
    offset: int
    value: bytes | None


@dataclass(slots=True)
class _CatchingUp:
    """Partitions whose end was not reached yet, and the last two records of each key, in the order of the last ones."""

    waiting: set[int]
    records: dict[str, tuple[_Record, ...]] = field(default_factory=dict)
    done: bool = False

    def add(self, key: str, record: _Record) -> None:
        """A newer record. The one before is kept in case the newer one cannot be used."""
        self.records[key] = (*self.records.pop(key, ())[-1:], record)


def webhook_key(tenant_id: str, webhook_id: str) -> str:
    """Key of a webhook's record."""
    return f"{tenant_id}/{webhook_id}"


def seal_webhook_secret(
    secret_box: SecretBox, secret: str, *, tenant_id: str, webhook_id: str, valid_until_us: int | None = None
) -> SealedSecret:
    """`secret` as it may stand in this webhook's configuration, and in no other's."""
    sealed = secret_box.seal(secret, context=webhook_context(tenant_id, webhook_id))
    return SealedSecret(sealed=sealed, valid_until_us=valid_until_us)


def _table_properties(settings: KafkaSettings, client_id: str) -> Mapping[str, Any]:
    return consumer_properties(settings, client_id, f"{client_id}-webhooks") | {
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 100,
        "queued.max.messages.kbytes": _QUEUED_KIBIBYTES_MAX,
        "fetch.queue.backoff.ms": _FETCH_BACKOFF_MILLISECONDS,
        "topic.metadata.refresh.interval.ms": 30_000,
    }


def _assign_everything(consumer: Consumer) -> set[int]:
    """Assign all partitions from their beginning; returns their numbers. Raises KafkaException."""
    topic = consumer.list_topics(CONFIGURATION, timeout=_METADATA_SECONDS).topics[CONFIGURATION]
    if topic.error is not None:
        raise KafkaException(topic.error)
    consumer.assign([TopicPartition(CONFIGURATION, partition, OFFSET_BEGINNING) for partition in topic.partitions])
    return set(topic.partitions)
