"""The chain of a tenant's entries: each holds the hash of the one before, so none can be changed or taken out."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Before the first entry.
GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """The counts of an hour as they were entered, for good. Times are microseconds since the epoch.

    `number` counts the tenant's entries from 1. What changes later is another entry, with the next `revision`.
    """

    tenant_id: str
    number: int
    hour_us: int
    revision: int
    entered_at_us: int
    counts: Mapping[str, Any]
    previous_hash: str
    hash: str


def entry_hash(entry: Entry) -> str:
    """SHA-256, in hexadecimal, over the entry's members but its own hash, as JSON with sorted names and no blanks."""
    members = {
        "tenant_id": entry.tenant_id,
        "number": entry.number,
        "hour_us": entry.hour_us,
        "revision": entry.revision,
        "entered_at_us": entry.entered_at_us,
        "counts": dict(entry.counts),
        "previous_hash": entry.previous_hash,
    }
    text = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def chained(
    last: Entry | None, tenant_id: str, hour_us: int, revision: int, *, entered_at_us: int, counts: Mapping[str, Any]
) -> Entry:
    """The entry that follows `last` (None: the first one)."""
    number, previous = (1, GENESIS) if last is None else (last.number + 1, last.hash)
    unsigned = Entry(tenant_id, number, hour_us, revision, entered_at_us, counts, previous, "")
    return Entry(tenant_id, number, hour_us, revision, entered_at_us, counts, previous, entry_hash(unsigned))


def first_break(entries: Sequence[Entry], before: Entry | None = None) -> tuple[int, str] | None:
    """The number of the first entry that does not follow, and why; None for a whole chain. Entries by number.

    `before` is the one in front of them, where they are not all.
    """
    number, previous = (0, GENESIS) if before is None else (before.number, before.hash)
    for entry in entries:
        number += 1
        if entry.number != number:
            return number, f"entry {number} is missing"
        if entry.previous_hash != previous:
            return number, f"entry {number} does not follow the one before"
        if entry_hash(entry) != entry.hash:
            return number, f"entry {number} was changed after it was made"
        previous = entry.hash
    return None
