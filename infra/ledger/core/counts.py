"""The counts of one tenant and hour, which must agree, and the differences that are found between them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from infra.clock import HOUR_US

_DIGESTS = ("attested_digest", "request_digest")
#: While something of an hour is pending, what else changes is entered so often at most.
_REVISION_US_MIN = HOUR_US


@dataclass(frozen=True, slots=True)
class HourCounts:
    """Of one tenant and hour of `received_at`. Equal sides: `requests` ≥ `attested`, and `raw` = `ended` + `pending`.

    `accepted` (answered 200), `invalid_json` (400) and `late` (503, but written) are what receivers attest. `raw`
    counts records of the raw topics that are in the log; `tests` and `replays` are those of them that no receiver took.
    A digest is the sum of delivery ids' last 48 bits modulo 2^64, of what is attested and of the log's `requests`.
    `without_request` counts outcomes whose request is not in the log.
    """

    accepted: int = 0
    invalid_json: int = 0
    late: int = 0
    attested_digest: int = 0
    raw: int = 0
    tests: int = 0
    replays: int = 0
    request_digest: int = 0
    dispatched: int = 0
    duplicate: int = 0
    filtered: int = 0
    failed: int = 0
    pending: int = 0
    without_request: int = 0

    @property
    def attested(self) -> int:
        """What receivers had acknowledged."""
        return self.accepted + self.invalid_json + self.late

    @property
    def requests(self) -> int:
        """Raw records that came through a receiver."""
        return self.raw - self.tests - self.replays

    @property
    def ended(self) -> int:
        """Deliveries with an outcome."""
        return self.dispatched + self.duplicate + self.filtered + self.failed

    @property
    def unattested(self) -> int:
        """Records that no receiver lived to attest. Nothing is missing: their senders may have heard no answer."""
        return max(0, self.requests - self.attested)

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> "HourCounts":
        """What `as_json` gave, in this release or an earlier one; members of a later one are left out."""
        known = {name: members[name] for name in cls.__dataclass_fields__ if name in members}
        return cls(**{name: int(value, 16) if name in _DIGESTS else int(value) for name, value in known.items()})

    def as_json(self) -> dict[str, Any]:
        """Members by name; digests as 16 hexadecimal digits, which every reader of JSON takes."""
        members = asdict(self)
        return members | {name: f"{members[name]:016x}" for name in _DIGESTS}


class Kind(StrEnum):
    """What is wrong.

    `loss`: a record is not where it must be. `duplicate`: one record is in the log twice, or one delivery in two
    places. `late_pending`: every stage is past a request, and it has no outcome. `exchanged`: as many records as were
    attested, but others. `altered`: an hour is not what its entry says. `broken_chain`: an entry was changed or taken
    out after it was made.
    """

    LOSS = "loss"
    DUPLICATE = "duplicate"
    LATE_PENDING = "late_pending"
    EXCHANGED = "exchanged"
    ALTERED = "altered"
    BROKEN_CHAIN = "broken_chain"


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """Something that does not agree, of one tenant and hour (its start, in microseconds since the epoch).

    `topic` is empty, and partition and offsets are -1, where nothing is known of the place.
    """

    tenant_id: str
    hour_us: int
    kind: Kind
    count: int
    detail: str
    topic: str = ""
    partition: int = -1
    first_offset: int = -1
    last_offset: int = -1

    @property
    def place(self) -> str:
        """`topic-partition:first-last`, empty where it is not known."""
        return f"{self.topic}-{self.partition}:{self.first_offset}-{self.last_offset}" if self.topic else ""


@dataclass(frozen=True, slots=True)
class Misplaced:
    """One record that is missing or there too often; `why` is the difference in words."""

    tenant_id: str
    hour_us: int
    kind: Kind
    topic: str
    partition: int
    offset: int
    why: str


def runs(offsets: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Offsets in any order as the first and last of each run."""
    first = last = -1
    for offset in sorted(set(offsets)):
        if offset != last + 1 or first < 0:
            if first >= 0:
                yield first, last
            first = offset
        last = offset
    if first >= 0:
        yield first, last


def differences_of(misplaced: Iterable[Misplaced]) -> list[Difference]:
    """The same as ranges: one difference for each run of offsets that are alike."""
    alike: dict[tuple[Any, ...], list[int]] = {}
    for one in misplaced:
        alike.setdefault((one.tenant_id, one.hour_us, one.kind, one.why, one.topic, one.partition), []).append(
            one.offset
        )
    return sorted(
        Difference(tenant_id, hour_us, kind, last - first + 1, why, topic, partition, first, last)
        for (tenant_id, hour_us, kind, why, topic, partition), offsets in alike.items()
        for first, last in runs(offsets)
    )


def disagreements(
    tenant_id: str, hour_us: int, counts: HourCounts, known: Sequence[Difference]
) -> Iterator[Difference]:
    """What the counts of an hour that is over, and stored, say beyond the differences `known` of it by place."""
    if counts.ended + counts.pending != counts.raw:
        stateless = counts.raw - counts.ended - counts.pending
        yield Difference(tenant_id, hour_us, Kind.ALTERED, abs(stateless), "deliveries in a state that is none")
    missing = sum(one.count for one in known if one.kind in (Kind.LOSS, Kind.DUPLICATE))
    unexplained = counts.attested - counts.requests - missing
    if unexplained > 0:
        words = "acknowledged to a receiver, but neither in the log nor at a place that is known"
        yield Difference(tenant_id, hour_us, Kind.LOSS, unexplained, words)
    if counts.attested == counts.requests and counts.attested_digest != counts.request_digest and not known:
        words = "as many requests as were acknowledged, but not the same ones"
        yield Difference(tenant_id, hour_us, Kind.EXCHANGED, counts.requests, words)


def alteration(tenant_id: str, hour_us: int, entered: HourCounts, found: HourCounts) -> Difference | None:
    """An hour that has less in it than when it was entered. More is no difference: a record may come late."""
    for name, before, now in (
        ("requests", entered.raw, found.raw),
        ("outcomes", entered.ended, found.ended),
        ("attested requests", entered.attested, found.attested),
    ):
        if now < before:
            words = f"{before} {name} when the hour was entered, {now} now"
            return Difference(tenant_id, hour_us, Kind.ALTERED, before - now, words)
    return None


def is_to_be_entered(entered: HourCounts | None, found: HourCounts, since_entry_us: int) -> bool:
    """Whether an hour that is over and stored, and has no less in it than was `entered`, gets a (new) entry."""
    if entered is None or entered == found:
        return entered is None and found != HourCounts()
    return found.pending == 0 or since_entry_us >= _REVISION_US_MIN
