"""The chain of a tenant's entries: each holds the hash of the one before, so none can be changed or taken out."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Break:
    """The first entry that does not follow, and why. `hour_us` is the hour of the entry that is there instead."""

    number: int
    problem: str
    hour_us: int


@dataclass(frozen=True, slots=True)
class Chain:
    """A whole chain, looked through: `last` is None where it has no entry, `broken` where every entry follows."""

    entries: int
    last: Entry | None
    broken: Break | None


def look_through(parts: Iterable[Sequence[Entry]]) -> Chain:
    """Work out every hash of a chain that comes in parts, by number."""
    last: Entry | None = None
    count, broken = 0, None
    for part in parts:
        broken = broken or first_break(part, last)
        last, count = part[-1], count + len(part)
    return Chain(count, last, broken)


def first_break(entries: Sequence[Entry], before: Entry | None = None) -> Break | None:
    """The first entry that does not follow; None for a whole chain. Entries by number.

    `before` is the one in front of them, where they are not all.
    """
    number, previous = (0, GENESIS) if before is None else (before.number, before.hash)
    for entry in entries:
        number += 1
        if entry.number != number:
            return Break(number, f"entry {number} is missing", entry.hour_us)
        if entry.previous_hash != previous:
            return Break(number, f"entry {number} does not follow the one before", entry.hour_us)
        if entry_hash(entry) != entry.hash:
            return Break(number, f"entry {number} was changed after it was made", entry.hour_us)
        previous = entry.hash
    return None
