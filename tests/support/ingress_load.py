"""Requests sent by several connections at once, and whether every one that was answered 200 is in Kafka."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.ingress import RawConnection, RunningIngress, Watcher, headers_of
from tests.support.wait import eventually


@dataclass
class IngressLoad:
    """What was answered so far."""

    statuses: Counter[int] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)

    def await_written(self, watcher: Watcher) -> None:
        """Until every accepted delivery is in Kafka."""

        def all_written() -> bool:
            watcher.poll()
            written = {headers_of(message).get("hookline-delivery-id", "") for message in watcher.messages}
            return self.accepted <= written

        eventually(all_written, timeout_seconds=30, what="every accepted delivery in Kafka")


@contextmanager
def sending(ingress: RunningIngress, raw: bytes, *, connections: int) -> Iterator[IngressLoad]:
    """Send `raw` again and again until the end of the block; a connection that fails fails the test."""
    load, over = IngressLoad(), threading.Event()

    def send_until_over() -> None:
        with RawConnection(ingress.port) as connection:
            while not over.is_set():
                connection.send(raw)
                answer = connection.receive()
                load.statuses[answer.status] += 1
                if answer.status == 200:
                    load.accepted.add(answer.json["delivery_id"])

    with ThreadPoolExecutor(connections) as senders:
        running = [senders.submit(send_until_over) for _ in range(connections)]
        try:
            yield load
        finally:
            over.set()
        for sender in running:
            sender.result()
