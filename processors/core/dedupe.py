"""The dedupe decision: a stored entry, a record, and what follows. Pure; times are microseconds since the epoch."""

import struct
from enum import Enum
from typing import NamedTuple

_MICROSECONDS = 1_000_000
_LAYOUT = struct.Struct(">BQIBIQ8s16s")
_WINDOW_LAYOUT = struct.Struct(">xQI")
_VERSION = 1
INCARNATION_BYTES = 8


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


def _require_known(value: bytes) -> None:
    if len(value) != _LAYOUT.size or value[0] != _VERSION:
        raise ValueError(f"dedupe entry of {len(value)} bytes, version {value[:1].hex() or 'none'}, is not known")


def decide(stored: Entry | None, candidate: Entry) -> Verdict:
    """Whether `candidate` is new, the very record that made `stored` (redelivered after a crash), or a duplicate.

    The window is the candidate's (the webhook's setting of today) and is measured from the first request on ingress
    time; it never slides.
    """
    if stored is None:
        return Verdict.NEW
    if (stored.offset, stored.partition, stored.lane, stored.incarnation) == (
        candidate.offset,
        candidate.partition,
        candidate.lane,
        candidate.incarnation,
    ):
        return Verdict.REDELIVERED
    if abs(candidate.received_at_us - stored.received_at_us) >= candidate.window_seconds * _MICROSECONDS:
        return Verdict.NEW
    return Verdict.DUPLICATE
