"""A receiver in a process of its own, webhooks for it, raw HTTP to it, and what it wrote to Kafka."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Message

from infra.kafka import PolledProducer, admin_client
from infra.secretbox import load_secret_box
from infra.settings import KafkaSettings, Settings
from infra.topics import EXPEDITED, RECEIVED, REJECTED, apply_topics
from infra.webhooks import seal_webhook_secret
from schemas.webhooks import SealedSecret, WebhookConfig
from tests.support.configuration import delete_webhook, publish_webhook
from tests.support.offsets import ends_of
from tests.support.ports import own_port
from tests.support.wait import eventually

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a secret of sixteen characters"
MASTER_KEY = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
READY_SECONDS = 120.0
RECEIVE_SECONDS = 30.0


@dataclass(frozen=True)
class HttpAnswer:
    """An answer as it came; `raw` is every byte of it but the Date header."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RawConnection:
    """A TCP connection on which requests are written by hand."""

    def __init__(self, port: int, timeout_seconds: float = RECEIVE_SECONDS) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_seconds)
        self._left = b""

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def receive(self) -> HttpAnswer:
        """The next answer. AssertionError when the connection ends before it is whole."""
        head = self._until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        length = int(headers.get("content-length", "0"))
        while len(self._left) < length:
            self._more()
        body, self._left = self._left[:length], self._left[length:]
        raw = "\r\n".join(line for line in lines if not line.startswith("date:")).encode("latin-1") + body
        return HttpAnswer(int(lines[0].split(" ")[1]), headers, body, raw)

    def is_closed(self) -> bool:
        """Whether the other side has closed; waits for it."""
        with suppress(ConnectionResetError):
            return self.socket.recv(1) == b""
        return True

    def _until(self, end: bytes) -> bytes:
        while end not in self._left:
            self._more()
        head, _, self._left = self._left.partition(end)
        return head

    def _more(self) -> None:
        received = self.socket.recv(65_536)
        assert received, f"the connection ended after {self._left!r}"
        self._left += received


@dataclass
class RunningIngress:
    """A receiver process started by `running_ingress`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    settings: Settings

    def readiness(self) -> tuple[int, Any]:
        """Status and body of /readyz; status 0 while nothing listens."""
        try:
            answer = self.get("/readyz")
        except (OSError, AssertionError):
            return 0, None
        return answer.status, answer.json

    def get(self, path: str) -> HttpAnswer:
        return self.send(f"GET {path} HTTP/1.1\r\nhost: test\r\n\r\n".encode())

    def send(self, raw: bytes, timeout_seconds: float = RECEIVE_SECONDS) -> HttpAnswer:
        """One request on a connection of its own."""
        with RawConnection(self.port, timeout_seconds) as connection:
            connection.send(raw)
            return connection.receive()

    def await_ready(self) -> None:
        eventually(lambda: self.readiness()[0] == 200, timeout_seconds=READY_SECONDS, what="the receiver to be ready")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def running_ingress(bootstrap: str, *, await_ready: bool = True, **ingress: Any) -> Iterator[RunningIngress]:
    """A receiver with these settings of the section `ingress`, ready; killed at the end if it still runs.

    Tests fail proofs on purpose, all from one address: unless a test says otherwise it is not held back for that.
    """
    port = own_port()
    chosen = {"port": port, "failed_proofs_per_minute": 0, **ingress}
    environment = {f"HOOKLINE_INGRESS__{name.upper()}": str(value) for name, value in chosen.items()}
    environment |= {"HOOKLINE_KAFKA__BOOTSTRAP": bootstrap, "HOOKLINE_MASTER_KEY": MASTER_KEY}
    with tempfile.TemporaryDirectory(prefix="hookline-ingress-test-") as folder:
        log = Path(folder) / "ingress.log"
        code = "from ingress.main import run; from infra.settings import Settings; run(Settings())"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", code], cwd=ROOT, env=os.environ | environment, stdout=output, stderr=output
            )
        try:
            running = RunningIngress(process, port, log, settings_of(bootstrap))
            if await_ready:
                running.await_ready()
            yield running
        except BaseException:
            print(log.read_text()[-8_000:])  # noqa: T201 - pytest shows it with the failure
            raise
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


def settings_of(bootstrap: str) -> Settings:
    return Settings.model_validate({"kafka": KafkaSettings(bootstrap=bootstrap), "master_key": MASTER_KEY})


@dataclass
class Publisher:
    """Writes webhooks of one tenant, made for one test."""

    settings: Settings
    producer: PolledProducer
    tenant_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def tenant_slug(self) -> str:
        return f"t-{self.tenant_id[:8]}"

    def seal(self, webhook_id: str, secret: str = SECRET, valid_until_us: int | None = None) -> SealedSecret:
        box = load_secret_box(self.settings)
        return seal_webhook_secret(
            box, secret, tenant_id=self.tenant_id, webhook_id=webhook_id, valid_until_us=valid_until_us
        )

    def webhook(self, slug: str = "alerts", *, secrets: Sequence[SealedSecret] = (), **config: Any) -> WebhookConfig:
        """A configuration, not yet published. `auth` is its auth_config; a signature with SECRET is the default."""
        webhook_id = config.pop("webhook_id", None) or str(uuid.uuid4())
        auth = config.pop("auth", {})
        if auth.get("type") not in ("none", "ip_allowlist"):
            auth = {"secrets": tuple(secrets) or (self.seal(webhook_id),)} | auth
        return WebhookConfig.model_validate(
            {
                "tenant_id": self.tenant_id,
                "tenant_slug": self.tenant_slug,
                "webhook_id": webhook_id,
                "slug": slug,
                "name": slug,
                "version": 1,
                "auth_config": auth,
                "handler_config": {"action": "createTicket", "field_mapping": {"title": "alert.title"}},
                **config,
            }
        )

    def publish(self, config: WebhookConfig) -> WebhookConfig:
        publish_webhook(self.producer, config)
        return config

    def delete(self, config: WebhookConfig) -> None:
        delete_webhook(self.producer, config.tenant_id, config.webhook_id)


@contextmanager
def publishing(bootstrap: str) -> Iterator[Publisher]:
    """Topics as declared, and a publisher of webhooks."""
    settings = settings_of(bootstrap)
    apply_topics(settings.kafka, admin_client(settings.kafka, "ingress-tests"))
    producer = PolledProducer(settings.kafka, client_id="ingress-tests", ack_timeout_seconds=10.0)
    try:
        yield Publisher(settings, producer)
    finally:
        producer.close(10.0)


def signature_of(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed(config: WebhookConfig, body: bytes, *lines: str, method: str = "POST", secret: str = SECRET) -> bytes:
    """A whole request with a good signature; `lines` are more header lines."""
    path = f"/api/inbound/{config.tenant_slug}/{config.slug}"
    head = [
        f"{method} {path} HTTP/1.1",
        "host: test",
        f"x-signature: sha256={signature_of(body, secret)}",
        f"content-length: {len(body)}",
        *lines,
    ]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def await_status(ingress: RunningIngress, raw: bytes, status: int, *, timeout_seconds: float = 30.0) -> HttpAnswer:
    """Send until the answer has this status: for a change that is on its way."""

    def answer() -> HttpAnswer | None:
        found = ingress.send(raw)
        return found if found.status == status else None

    found = eventually(answer, timeout_seconds=timeout_seconds, what=f"an answer {status}")
    assert found is not None
    return found


class Watcher:
    """Reads what is written to the ingress's topics after it was made."""

    def __init__(self, bootstrap: str, topics: Sequence[str] = (RECEIVED, EXPEDITED, REJECTED)) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"watch-{uuid.uuid4()}"})
        self.messages: list[Message] = []
        ends = ends_of(self._consumer, topics)
        self._consumer.assign([partition for partitions in ends.values() for partition in partitions])

    def poll(self, seconds: float = 0.1) -> None:
        """Take what has arrived."""
        for message in self._consumer.consume(1_000, seconds):
            assert message.error() is None, message.error()
            self.messages.append(message)

    def delivery(self, delivery_id: str) -> Message:
        """The one record of a delivery; waits for it."""

        def found() -> list[Message]:
            self.poll()
            return [
                message for message in self.messages if headers_of(message).get("hookline-delivery-id") == delivery_id
            ]

        [message] = eventually(found, timeout_seconds=30, what=f"delivery {delivery_id} in Kafka")
        return message

    def rejections(self, **members: Any) -> list[dict[str, Any]]:
        """Rejection records so far with these members."""
        self.poll()
        records = [json.loads(message.value()) for message in self.messages if message.topic() == REJECTED]
        return [record for record in records if members.items() <= record.items()]

    def requests(self, config: WebhookConfig) -> list[Message]:
        """Request records of a webhook so far."""
        self.poll()
        return [
            message
            for message in self.messages
            if headers_of(message).get("hookline-webhook-id") == config.webhook_id and message.topic() != REJECTED
        ]

    def close(self) -> None:
        self._consumer.close()


def headers_of(message: Message) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers() or []}
