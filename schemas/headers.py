"""Record headers: the frozen model every stage reads and writes, and its only encoder and decoder.

Names are kebab-case with the prefix `hookline-`; one header per name; values are UTF-8 text.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

PREFIX = "hookline-"
DELIVERY_ID = "hookline-delivery-id"
TENANT_ID = "hookline-tenant-id"
WEBHOOK_ID = "hookline-webhook-id"
CONFIG_VERSION = "hookline-config-version"
RECEIVED_AT = "hookline-received-at"
DEDUPE_KEY = "hookline-dedupe-key"
REQUEST = "hookline-request"
TRACEPARENT = "traceparent"
REPLAY_ID = "hookline-replay-id"
REPLAY_OF = "hookline-replay-of"
REPLAY_MODE = "hookline-replay-mode"
REPLAY_DEPTH = "hookline-replay-depth"
#: What expressions read of a replay is its origin's: when that came (microseconds) and where it stands
#: (`topic:partition:offset:milliseconds`). Replays of releases before them have neither.
REPLAY_RECEIVED_AT = "hookline-replay-received-at"
REPLAY_PLACE = "hookline-replay-place"
TEST = "hookline-test"
DEAD_LETTER = "hookline-dead-letter"
#: Of a domain event, with the tenant's id: enough to choose without reading it. Requests may bring HOPS, too.
EVENT_TYPE = "hookline-event-type"
HOPS = "hookline-hops"

RawHeaders = list[tuple[str, bytes]]


class HeaderError(ValueError):
    """A record whose headers do not fit the contract; the message names the header."""


class RecordPlace(NamedTuple):
    """Where a request stands in Kafka; `timestamp` is in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int


class Replay(NamedTuple):
    """Set on a re-published request. `mode` is `redrive` (skip dedupe) or `fill` (honour it).

    `replay_of` is the origin's delivery id, `received_at_us` and `place` are the origin's; a replay of a replay has
    the same origin, so `depth` is 1.
    """

    replay_id: str
    replay_of: str
    mode: str
    depth: int
    received_at_us: int | None = None
    place: RecordPlace | None = None


class DeliveryHeaders(NamedTuple):
    """What travels with a request. `request` is JSON text (bytes): see `schemas.records.RequestFacts`.

    `received_at_us` is microseconds since the epoch, taken once by the ingress.
    """

    delivery_id: str
    tenant_id: str
    webhook_id: str
    config_version: int
    received_at_us: int
    request: bytes
    dedupe_key: str | None = None
    traceparent: str | None = None
    replay: Replay | None = None
    is_test: bool = False


def encode(headers: DeliveryHeaders) -> RawHeaders:
    """Headers as confluent-kafka takes them."""
    encoded: RawHeaders = [
        (DELIVERY_ID, headers.delivery_id.encode()),
        (TENANT_ID, headers.tenant_id.encode()),
        (WEBHOOK_ID, headers.webhook_id.encode()),
        (CONFIG_VERSION, b"%d" % headers.config_version),
        (RECEIVED_AT, b"%d" % headers.received_at_us),
        (REQUEST, headers.request),
    ]
    if headers.dedupe_key is not None:
        encoded.append((DEDUPE_KEY, headers.dedupe_key.encode("utf-8", "surrogatepass")))
    if headers.traceparent is not None:
        encoded.append((TRACEPARENT, headers.traceparent.encode()))
    if headers.is_test:
        encoded.append((TEST, b"1"))
    if headers.replay is not None:
        encoded.append((REPLAY_ID, headers.replay.replay_id.encode()))
        encoded.append((REPLAY_OF, headers.replay.replay_of.encode()))
        encoded.append((REPLAY_MODE, headers.replay.mode.encode()))
        encoded.append((REPLAY_DEPTH, b"%d" % headers.replay.depth))
        if headers.replay.received_at_us is not None:
            encoded.append((REPLAY_RECEIVED_AT, b"%d" % headers.replay.received_at_us))
        if headers.replay.place is not None:
            encoded.append((REPLAY_PLACE, ":".join(map(str, headers.replay.place)).encode()))
    return encoded


def decode(raw: Sequence[tuple[str, bytes | None]] | None) -> DeliveryHeaders:
    """Headers of a consumed record. Raises HeaderError naming the header that is missing or malformed."""
    by_name: Mapping[str, bytes | None] = dict(raw or ())
    try:
        dedupe_key, traceparent = by_name.get(DEDUPE_KEY), by_name.get(TRACEPARENT)
        return DeliveryHeaders(
            by_name[DELIVERY_ID].decode(),  # type: ignore[union-attr]  # None is reported below
            by_name[TENANT_ID].decode(),  # type: ignore[union-attr]
            by_name[WEBHOOK_ID].decode(),  # type: ignore[union-attr]
            int(by_name[CONFIG_VERSION]),  # type: ignore[arg-type]
            int(by_name[RECEIVED_AT]),  # type: ignore[arg-type]
            by_name.get(REQUEST) or b"{}",
            None if dedupe_key is None else dedupe_key.decode("utf-8", "surrogatepass"),
            None if traceparent is None else traceparent.decode(),
            _decode_replay(by_name) if REPLAY_ID in by_name else None,
            by_name.get(TEST) == b"1",
        )
    except KeyError as error:
        raise HeaderError(f"header {error.args[0]} is missing") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise HeaderError(f"{_first_malformed(by_name)} is malformed: {error}") from error


def _decode_replay(by_name: Mapping[str, bytes | None]) -> Replay:
    received_at, place = by_name.get(REPLAY_RECEIVED_AT), by_name.get(REPLAY_PLACE)
    return Replay(
        by_name[REPLAY_ID].decode(),  # type: ignore[union-attr]
        by_name[REPLAY_OF].decode(),  # type: ignore[union-attr]
        by_name[REPLAY_MODE].decode(),  # type: ignore[union-attr]
        int(by_name[REPLAY_DEPTH]),  # type: ignore[arg-type]
        None if received_at is None else int(received_at),
        None if place is None else _decode_place(place),
    )


def _decode_place(value: bytes) -> RecordPlace:
    topic, partition, offset, timestamp = value.decode().rsplit(":", 3)
    return RecordPlace(topic, int(partition), int(offset), int(timestamp))


def _first_malformed(by_name: Mapping[str, bytes | None]) -> str:
    for name, value in by_name.items():
        if not name.startswith(PREFIX) and name != TRACEPARENT:
            continue
        if value is None:
            return f"header {name}"
        try:
            value.decode("utf-8", "surrogatepass" if name == DEDUPE_KEY else "strict")
            if name in {CONFIG_VERSION, RECEIVED_AT, REPLAY_DEPTH, REPLAY_RECEIVED_AT}:
                int(value)
            if name == REPLAY_PLACE:
                _decode_place(value)
        except ValueError:
            return f"header {name}"
    return "a header"
