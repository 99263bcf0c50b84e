"""What expressions read besides the body. Pure: who a client is and which senders there are is given."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from schemas.headers import RecordPlace
from schemas.presets import Preset
from schemas.webhooks import WebhookConfig


class PlannedRequest(NamedTuple):
    """A request as a plan reads it. `facts` is the JSON of `schemas.records.RequestFacts`.

    Of a replay, id, time and place are its origin's. `place`, the binding `$kafka`, is asked for only where an
    expression reads it; None: the request stands nowhere.
    """

    body: bytes
    facts: bytes
    delivery_id: str
    received_at_us: int
    dedupe_key: str | None
    place: Callable[[], RecordPlace] | None

    def moment(self) -> tuple[int, int]:
        """The time in milliseconds and the seed of chance, both of the request and never of today."""
        return self.received_at_us // 1_000, int(self.delivery_id[-8:], 16)


class Surroundings(NamedTuple):
    """What a plan needs besides its webhook: the senders by name, and who is behind an address and a User-Agent.

    `client` gives the binding `$client` (`infra.enrichment.clients`).
    """

    presets: Mapping[str, Preset]
    client: Callable[[str, str | None], dict[str, Any]]


def request_bindings(
    config: WebhookConfig, request: PlannedRequest, surroundings: Surroundings, *, reads_client: bool
) -> dict[str, Any]:
    """By name without `$`. `metadata` holds the fixed members; enrichment adds to it.

    Who the client is is found out only where an expression reads it.
    """
    facts = orjson.loads(request.facts)
    bindings = {
        "headers": facts.get("headers", {}),
        "query": facts.get("query", {}),
        "delivery": {
            "id": request.delivery_id,
            "received_at": request.received_at_us,
            "idempotency_key": request.dedupe_key,
        },
        "metadata": config.metadata,
        "kafka": {} if request.place is None else request.place()._asdict(),
    }
    if reads_client:
        bindings["client"] = surroundings.client(facts.get("source_ip", ""), facts.get("user_agent"))
    return bindings
