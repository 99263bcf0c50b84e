"""The dedupe decision: a stored entry, a record, and what follows. Pure; times are microseconds since the epoch."""

import struct
from enum import Enum
from typing import NamedTuple

_MICROSECONDS = 1_000_000
_LAYOUT = struct.Struct(">BQIBIQ8s16s")
_WINDOW_LAYOUT = struct.Struct(">xQI")
_VERSION = 1
_WINDOW_SECONDS_MAX = 2**32 - 1


class Verdict(Enum):
    """What a record is to its key."""

    NEW = "new"
    REDELIVERED = "redelivered"
    DUPLICATE = "duplicate"


class Entry(NamedTuple):
    """A dedupe entry: the first request of its key inside the window, and where its record stands.

    `lane` tells the source topic, `incarnation` the first 8 bytes of a hash of that topic's id. The window is kept
    so that an entry can be swept without knowing its webhook.
    """

    received_at_us: int
    window_seconds: int
    lane: int
    partition: int
    offset: int
    incarnation: bytes
    delivery_id: str

    def encode(self) -> bytes:
        """Fixed 50-byte form."""
        return _LAYOUT.pack(
            _VERSION,
            self.received_at_us,
            self.window_seconds,
            self.lane,
            self.partition,
            self.offset,
            self.incarnation,
            bytes.fromhex(self.delivery_id.replace("-", "")),
        )


def decode_entry(value: bytes) -> Entry:
    """The entry of `value`. Raises ValueError on a form this release does not know."""
    _require_known(value)
    _, received_at, window, lane, partition, offset, incarnation, delivery = _LAYOUT.unpack(value)
    digits = delivery.hex()
    delivery_id = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return Entry(received_at, window, lane, partition, offset, incarnation, delivery_id)


def ends_at_us(value: bytes) -> int:
    """When the window that an encoded entry was stored with ends. Raises ValueError as `decode_entry` does."""
    _require_known(value)
    received_at_us, window_seconds = _WINDOW_LAYOUT.unpack_from(value)
    return int(received_at_us + window_seconds * _MICROSECONDS)


def kept_until(entry: Entry, processed_as_us: int) -> Entry:
    """The entry of a request that came again at `processed_as_us`: kept a window longer than until then.

    A replay's is of its origin's time. Without this it would be swept while the rest of that replay still runs.
    """
    age_seconds = max(0, -(-(processed_as_us - entry.received_at_us) // _MICROSECONDS))
    return entry._replace(window_seconds=min(entry.window_seconds + age_seconds, _WINDOW_SECONDS_MAX))


def _require_known(value: bytes) -> None:
    if len(value) != _LAYOUT.size or value[0] != _VERSION:
        raise ValueError(f"dedupe entry of {len(value)} bytes, version {value[:1].hex() or 'none'}, is not known")


def decide(stored: Entry | None, candidate: Entry) -> Verdict:
    """Whether `candidate` is new, the delivery that made `stored` (redelivered after a crash), or a duplicate.

    Whoever replays may publish a record again that stands there already: under the same delivery id, at another place.
    The window is the candidate's (the webhook's setting of today) and is measured from the first request on ingress
    time; it never slides.
    """
    if stored is None:
        return Verdict.NEW
    if stored.delivery_id == candidate.delivery_id or _place(stored) == _place(candidate):
        return Verdict.REDELIVERED
    if abs(candidate.received_at_us - stored.received_at_us) >= candidate.window_seconds * _MICROSECONDS:
        return Verdict.NEW
    return Verdict.DUPLICATE


def _place(entry: Entry) -> tuple[int, int, int, bytes]:
    return entry.offset, entry.partition, entry.lane, entry.incarnation
