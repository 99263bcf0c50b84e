"""Writes rejected requests to webhooks.request.rejected.v1: bounded under a flood, and never in the answer's way."""

from typing import Any, NamedTuple

import orjson

from infra.ids import uuid7_text
from infra.requests.headers import STORED_OF_NOBODY, StoredHeaders
from infra.topics import REJECTED
from ingress.acks import AckBridge
from ingress.core.flood import FloodGate
from ingress.core.http1 import Head
from ingress.tally import Tally

_PATH_CHARACTERS_MAX = 512
_OTHERS = "*"

Record = dict[str, Any]


class Rejected(NamedTuple):
    """One rejected request; tenant and webhook are None where the URL named none of ours."""

    head: Head
    source_ip: str
    reason: str
    tenant_id: str | None
    webhook_id: str | None
    rejected_at_us: int


class RejectionLog:
    """One per worker. Once a flood is on, a rejection costs a dictionary look-up."""

    def __init__(self, bridge: AckBridge, tally: Tally, *, per_second_max: int, keys_max: int) -> None:
        self._bridge = bridge
        self._tally = tally
        self._gate: FloodGate[Record] = FloodGate(per_second_max=per_second_max, keys_max=keys_max)

    def record(self, rejected: Rejected, stored: StoredHeaders | None) -> None:
        """Write the rejection down, or count it. `stored` picks the headers of a known webhook."""
        key = rejected.reason, rejected.source_ip, rejected.webhook_id
        counted_under = self._gate.admit(key, (rejected.reason, _OTHERS, None))
        if counted_under is None:
            self._produce(_record(rejected, stored or STORED_OF_NOBODY), 1)
            return
        self._tally.rejections_folded += 1
        if self._gate.needs_sample(counted_under):
            self._gate.remember(counted_under, _record(rejected, stored or STORED_OF_NOBODY))

    def end_second(self) -> None:
        """Write one record for each kind that was only counted in the second that ends now."""
        for record, count in self._gate.end_second():
            self._produce(record, count)

    def _produce(self, record: Record, count: int) -> None:
        key = (record["webhook_id"] or "").encode()
        if not self._bridge.send_unawaited(REJECTED, key, orjson.dumps(record | {"count": count})):
            self._tally.rejections_dropped += 1


def _record(rejected: Rejected, stored: StoredHeaders) -> Record:
    """A schemas.records.RejectionRecord without its count."""
    head = rejected.head
    return {
        "rejection_id": uuid7_text(rejected.rejected_at_us),
        "rejected_at": rejected.rejected_at_us,
        "tenant_id": rejected.tenant_id,
        "webhook_id": rejected.webhook_id,
        "method": head.method,
        "path": head.path[:_PATH_CHARACTERS_MAX],
        "headers": stored.pick(head.headers),
        "source_ip": rejected.source_ip,
        "user_agent": head.headers.get("user-agent"),
        "reason": rejected.reason,
    }
