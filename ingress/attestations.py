"""Writes to webhooks.request.accepted.v1 what the broker acknowledged to this receiver, once a second.

Nothing here is in the way of an answer. What was acknowledged in the last second before a `kill -9` is not attested;
the ledger says so in words (docs/ledger.md).
"""

from functools import partial

import orjson

from infra import metrics
from infra.ids import uuid7_text
from infra.log import get_logger
from infra.topics import ACCEPTED
from ingress.acks import AckBridge
from ingress.core.attested import split

#: Together some 600 kB: an entry has at most 240 bytes without its offsets, an offset at most 20.
_ENTRIES_MAX = 2_000
_OFFSETS_MAX = 6_000
#: While the broker is away nothing is acknowledged, so hardly more than one second's records wait.
_KEPT_MAX = 1_000
_log = get_logger(__name__)


class AttestationLog:
    """One per worker, on the loop's thread. A record is kept, and sent again as it was, until the broker has it."""

    def __init__(self, bridge: AckBridge) -> None:
        self._bridge = bridge
        self._instance_id = ""
        self._sequence = 0
        self._unsent: dict[int, bytes] = {}
        self._on_their_way: dict[int, bytes] = {}

    def publish(self, at_us: int) -> None:
        """Send what was acknowledged since the last call, and what did not get through before."""
        self._instance_id = self._instance_id or uuid7_text(at_us)
        entries = self._bridge.attested.take()
        for part in split(entries, entries_max=_ENTRIES_MAX, offsets_max=_OFFSETS_MAX):
            self._sequence += 1
            self._unsent[self._sequence] = orjson.dumps(
                {
                    "instance_id": self._instance_id,
                    "sequence": self._sequence,
                    "attested_at": at_us,
                    "entries": part,
                }
            )
        while len(self._unsent) > _KEPT_MAX:
            self._drop_oldest()
        for sequence, value in list(self._unsent.items()):
            told = partial(self._on_told, sequence)
            if not self._bridge.send_unawaited(ACCEPTED, self._instance_id.encode(), value, told):
                break
            self._on_their_way[sequence] = self._unsent.pop(sequence)
        metrics.INGRESS_ATTESTATIONS_WAITING.set(len(self._unsent) + len(self._on_their_way))

    def _on_told(self, sequence: int, acknowledged: bool) -> None:
        value = self._on_their_way.pop(sequence)
        if not acknowledged:
            self._unsent[sequence] = value

    def _drop_oldest(self) -> None:
        del self._unsent[next(iter(self._unsent))]
        metrics.INGRESS_ATTESTATIONS_DROPPED.inc()
        _log.error("ingress.attestation.dropped", waiting=len(self._unsent))
