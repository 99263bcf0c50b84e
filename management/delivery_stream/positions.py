"""Event ids: where in the topic a listener is, so that whoever shows one gets all that came after it. Pure."""

import re
from collections.abc import Mapping
from typing import NamedTuple

_SHOWN = re.compile(r"([A-Za-z0-9+/=_-]{1,64})((?:\.[0-9]{1,18}){1,512})")


class Place(NamedTuple):
    """`offsets[n]` is the next record of partition n; `incarnation` is the topic's id."""

    incarnation: str
    offsets: tuple[int, ...]


class Missed(NamedTuple):
    """Records of a partition that are gone: `first` ≤ offset < `end`."""

    partition: int
    first: int
    end: int


def show_place(place: Place) -> str:
    """As an event id."""
    return ".".join([place.incarnation, *map(str, place.offsets)])


def read_place(text: str) -> Place | None:
    """From an event id; None for a text that is none."""
    match = _SHOWN.fullmatch(text)
    if match is None:
        return None
    return Place(match[1], tuple(int(offset) for offset in match[2][1:].split(".")))


def resumed(
    shown: Place, incarnation: str, kept: Mapping[int, tuple[int, int]]
) -> tuple[dict[int, int], list[Missed]] | None:
    """Where to go on, and what is gone. `kept`: the first and the next offset of each partition there is.

    A topic that was made anew is read whole; all that was in the old one is gone. A partition that is newer than the
    id is read whole. None for a place that lies ahead of the topic: it is of no stream of ours.
    """
    offsets = dict(enumerate(shown.offsets))
    if shown.incarnation != incarnation:
        return {partition: first for partition, (first, _) in kept.items()}, [
            Missed(p, o, o) for p, o in offsets.items()
        ]
    if any(partition not in kept or offset > kept[partition][1] for partition, offset in offsets.items()):
        return None
    starts = {partition: max(first, offsets.get(partition, 0)) for partition, (first, _) in kept.items()}
    missed = [Missed(p, offsets.get(p, 0), first) for p, (first, _) in kept.items() if offsets.get(p, 0) < first]
    return starts, missed
