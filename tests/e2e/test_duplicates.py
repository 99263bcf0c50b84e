"""Two hundred equal requests at once run one action, whatever gave the key, and whichever process dies meanwhile."""

import asyncio
import base64
import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import standardwebhooks

from schemas.records import DispatchStatus
from schemas.webhooks import WebhookConfig
from tests.support.ingress import signed
from tests.support.line import Line, line

pytestmark = pytest.mark.proof

FIXTURES = (line,)
_PARALLEL = 200
_HANDLER = {
    "action": "createTicket",
    "field_mapping": {"title": "alert.title", "external_id": "$delivery.id", "client_id": "'Acme Ltd'"},
}
_TICKETS = "SELECT external_id FROM external_entity_mappings WHERE entity_type = 'ticket' AND webhook_id = %s"
_BODY = json.dumps({"alert": {"id": "a-1", "title": "Server down"}}).encode()


async def _send_at_once(line: Line, raw: bytes) -> list[str]:
    """`raw` on so many connections, all of them open before any sends; the delivery ids of the answers, all 200."""
    connections = [await asyncio.open_connection("127.0.0.1", line.ingress.port) for _ in range(_PARALLEL)]
    barrier = asyncio.Barrier(_PARALLEL)

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        await barrier.wait()
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        delivery: str = json.loads(await reader.readexactly(length))["delivery_id"]
        writer.close()
        return delivery

    return await asyncio.gather(*(send(*connection) for connection in connections))


def _assert_one_ran(line: Line, deliveries: list[str], source: str) -> None:
    """One of the deliveries has a ticket; each other one is a duplicate that names it."""
    assert len(set(deliveries)) == len(deliveries)
    line.outcomes.await_outcomes(deliveries)
    records = [line.outcomes.of(delivery) for delivery in deliveries]
    assert Counter(record.dispatch_status for record in records) == {
        DispatchStatus.DISPATCHED: 1,
        DispatchStatus.DUPLICATE: len(deliveries) - 1,
    }
    [first] = [record for record in records if record.dispatch_status is DispatchStatus.DISPATCHED]
    assert [row["external_id"] for row in line.base.rows(_TICKETS, [first.webhook_id])] == [first.delivery_id]
    for record in records:
        if record is not first:
            assert record.duplicate_of == first.delivery_id
            assert record.handler_outcome is not None
            said = record.handler_outcome["duplicate"]
            assert (said["first_delivery_id"], said["source"]) == (first.delivery_id, source)
            assert f"same {source} as delivery {first.delivery_id}, received " in said["reason"]


def _jsonata(line: Line) -> tuple[WebhookConfig, bytes]:
    source = {"type": "jsonata", "value": "alert.id"}
    config = line.webhook("jsonata", idempotency_source=source, handler_config=_HANDLER)
    return config, signed(config, _BODY)


def _header(line: Line) -> tuple[WebhookConfig, bytes]:
    source = {"type": "header", "value": "X-Event-Id"}
    config = line.webhook("header", idempotency_source=source, handler_config=_HANDLER)
    return config, signed(config, _BODY, "X-Event-Id:  evt-1 ")


_STANDARD_SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()


def _standard(config: WebhookConfig, body: bytes) -> bytes:
    """A request signed by the foreign library; its id is that of the body."""
    at, message_id = datetime.now(UTC), f"msg_{hashlib.sha256(body).hexdigest()[:8]}"
    signature = standardwebhooks.Webhook(_STANDARD_SECRET).sign(message_id, at, body.decode())
    timestamp = f"webhook-timestamp: {int(at.timestamp())}"
    return signed(config, body, f"webhook-id: {message_id}", timestamp, f"webhook-signature: {signature}")


def _signed_id(line: Line) -> tuple[WebhookConfig, bytes]:
    webhook_id = str(uuid.uuid4())
    auth = {"type": "standard_webhooks", "secrets": (line.publisher.seal(webhook_id, _STANDARD_SECRET),)}
    members = {"auth_type": "standard_webhooks", "auth": auth, "handler_config": _HANDLER}
    config = line.webhook("signed-id", probe=_standard, webhook_id=webhook_id, **members)
    return config, _standard(config, _BODY)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("made", "source"), [(_jsonata, "alert.id"), (_header, "X-Event-Id"), (_signed_id, "signed id")]
)
async def test_two_hundred_equal_requests_at_once_run_one_action(
    line: Line, made: Callable[[Line], tuple[WebhookConfig, bytes]], source: str
) -> None:
    line.run("w0")
    _, raw = made(line)
    _assert_one_ran(line, await _send_at_once(line, raw), source)


@pytest.mark.timeout(300)
async def test_with_two_processors_of_which_one_dies_four_hundred_equal_requests_run_one_action(line: Line) -> None:
    line.run("w0", "w1")
    _, raw = _jsonata(line)
    deliveries = await _send_at_once(line, raw)
    line.workers.kill("w0")
    deliveries += await _send_at_once(line, raw)
    line.run("w0")
    _assert_one_ran(line, deliveries, "alert.id")
