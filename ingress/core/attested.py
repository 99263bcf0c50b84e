"""What the broker acknowledged to a receiver, by tenant, hour and partition: counts, and which offsets. Pure."""

from collections.abc import Iterator
from typing import Any, Protocol

from infra.clock import HOUR_US

#: Tenant id, hours since the epoch, topic: whose request it is, when it came, and where it went.
Account = tuple[str, int, str]
#: Of a delivery id as text: what its last 48 bits are written in, all of them random.
_ID_DIGITS = 12
_DIGEST_MASK = 2**64 - 1


class Acknowledged(Protocol):
    """A request that the broker has. `answered`: the sender had been told that it was not in time."""

    account: Account
    answered: bool
    delivery_id: bytes
    invalid_json: bool


class _Counts:
    """Of one account and partition. `offsets` are the first and last of each run."""

    __slots__ = ("accepted", "digest", "invalid_json", "late", "offsets")

    def __init__(self) -> None:
        self.accepted = self.invalid_json = self.late = self.digest = 0
        self.offsets: list[int] = []


class AttestedTally:
    """Counts since the last `take`."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Account, int], _Counts] = {}

    def note(self, request: Acknowledged, partition: int, offset: int) -> None:
        """Count one. `offset` is negative where the broker did not say: it had had the record before."""
        key = request.account, partition
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = _Counts()
        if request.answered:
            counts.late += 1
        elif request.invalid_json:
            counts.invalid_json += 1
        else:
            counts.accepted += 1
        counts.digest += int(request.delivery_id[-_ID_DIGITS:], 16)
        offsets = counts.offsets
        if offsets and offsets[-1] + 1 == offset:
            offsets[-1] = offset
        elif offset >= 0:
            offsets += (offset, offset)

    def take(self) -> Iterator[dict[str, Any]]:
        """Everything counted so far, as members of a schemas.records.AttestedRequests; counting begins anew."""
        taken, self._counts = self._counts, {}
        for ((tenant_id, hour, topic), partition), counts in taken.items():
            yield {
                "tenant_id": tenant_id,
                "hour": hour * HOUR_US,
                "topic": topic,
                "partition": partition,
                "accepted": counts.accepted,
                "invalid_json": counts.invalid_json,
                "late": counts.late,
                "digest": counts.digest & _DIGEST_MASK,
                "offsets": counts.offsets,
            }


def split(entries: Iterator[dict[str, Any]], *, entries_max: int, offsets_max: int) -> Iterator[list[dict[str, Any]]]:
    """The entries in parts that fit into one record each; an entry with more offsets than that is a part by itself."""
    part: list[dict[str, Any]] = []
    offsets = 0
    for entry in entries:
        if part and (len(part) == entries_max or offsets + len(entry["offsets"]) > offsets_max):
            yield part
            part, offsets = [], 0
        part.append(entry)
        offsets += len(entry["offsets"])
    if part:
        yield part
