"""Sends the plan over a few kept connections at a steady rate, as senders would, and times every answer."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

from hookline.demo.plan import Kind, PlannedRequest
from hookline.signing import Sender, sign
from infra.webhooks import LiveSecret, Webhook

CONNECTIONS = 8
REQUESTS_PER_SECOND = 250
_WRONG_SECRET = LiveSecret(b"not the secret that was agreed on", valid_until_us=None)


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request and its answer; `seconds` from the first byte sent to the last byte of the answer."""

    planned: PlannedRequest
    status: int
    delivery_id: str | None
    seconds: float


def send_plan(
    plan: Sequence[PlannedRequest], url: str, webhook: Webhook, on_sent: Callable[[], None]
) -> list[SentRequest]:
    """Send everything; `on_sent` is called after each answer, from several threads. Raises NotRunningError."""
    began = time.monotonic()
    impostor = Webhook(webhook.config, (_WRONG_SECRET,))

    def send_share(share: int) -> list[SentRequest]:
        return list(_send_share(share))

    def _send_share(share: int) -> Iterator[SentRequest]:
        sender = Sender(url)
        try:
            for position in range(share, len(plan), CONNECTIONS):
                request = plan[position]
                headers = sign(impostor if request.kind is Kind.WRONG_SIGNATURE else webhook, request.body)
                time.sleep(max(0.0, began + position / REQUESTS_PER_SECOND - time.monotonic()))
                sent_at = time.perf_counter()
                answer = sender.send(request.body, headers)
                yield SentRequest(request, answer.status, answer.delivery_id, time.perf_counter() - sent_at)
                on_sent()
        finally:
            sender.close()

    with ThreadPoolExecutor(max_workers=CONNECTIONS) as pool:
        return list(chain.from_iterable(pool.map(send_share, range(CONNECTIONS))))
