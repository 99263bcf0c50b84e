"""Senders as they behave: each alert is sent until it is answered 200, whatever crashes on the other side."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hookline.errors import NotRunningError
from hookline.signing import Answer

BAD_EVERY = 50
_RETRY_SECONDS = 0.25
_GIVE_UP_SECONDS = 120.0


@dataclass
class Senders:
    """Threads that send alerts at a steady rate. Every fiftieth has a value that its mapping refuses."""

    connect: Callable[[], Callable[[bytes], Answer]]
    seed: int
    threads: int = 4
    alerts_per_second: float = 100.0
    #: Alert → the delivery ids of its 200s (an answer lost on the way makes the sender send again).
    accepted: dict[str, list[str]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    given_up: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._running: list[threading.Thread] = []

    @property
    def answered(self) -> int:
        """Requests answered 200 with a delivery id so far."""
        return sum(len(deliveries) for deliveries in self.accepted.values())

    def start(self) -> None:
        """Begin to send."""
        for number in range(self.threads):
            thread = threading.Thread(target=self._send_forever, args=(number,), daemon=True)
            self._running.append(thread)
            thread.start()

    def stop(self) -> None:
        """No new alerts; returns when every alert under way is answered or given up."""
        self._stopping.set()
        for thread in self._running:
            thread.join(_GIVE_UP_SECONDS + 30)

    def _send_forever(self, thread: int) -> None:
        send, randomness = self.connect(), random.Random(self.seed * 1_000 + thread)
        number = 0
        while not self._stopping.is_set():
            number += 1
            bad = (number * self.threads + thread) % BAD_EVERY == 0
            alert_id = f"{self.seed}-{thread}-{number}" + ("-bad" if bad else "")
            self._send_until_accepted(send, alert_id)
            if randomness.random() < 0.1:
                self._send_until_accepted(send, alert_id)
            time.sleep(randomness.uniform(0.5, 1.5) * self.threads / self.alerts_per_second)

    def _send_until_accepted(self, send: Callable[[bytes], Answer], alert_id: str) -> None:
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = send(body_of(alert_id))
            except NotRunningError:
                answer = Answer(0, None)
            with self._lock:
                self.statuses[answer.status] += 1
                if answer.status == 200 and answer.delivery_id is not None:
                    self.accepted.setdefault(alert_id, []).append(answer.delivery_id)
                    return
            time.sleep(_RETRY_SECONDS)
        self.given_up.append(alert_id)


def body_of(alert_id: str) -> bytes:
    """An alert in the first shape that `rmm-alerts` maps."""
    value = "n/a" if alert_id.endswith("-bad") else 97.0
    return json.dumps(
        {
            "sender": "ninja",
            "alert": {"id": alert_id, "message": "Disk C: is nearly full", "severity": "CRITICAL", "value": value},
            "device": {"systemName": "ACME-DC01", "organization": "Acme Ltd"},
        }
    ).encode()
