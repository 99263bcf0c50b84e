"""How a webhook uses to speak, and how likely it is that it says nothing for so long. Pure.

Time is counted in a webhook's own hours: an hour of the week in which it always spoke counts one, an hour in which it
never did counts nothing, so that nights and weekends pass in no time. In those hours pauses between two active ones are
alike at any time, and a pause far beyond all of them is a silence. docs/adr/0020-alerts.md has the reasons.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

HOUR_US = 3_600_000_000
HOURS_OF_WEEK = 168
HISTORY_HOURS = 4 * HOURS_OF_WEEK
#: Fewer pauses than this say nothing about the next one.
PAUSES_MIN = 10
#: Weights are kept in a byte each: there may be 100,000 webhooks.
_UNIT = 240


class Rhythm(NamedTuple):
    """What was learnt of a webhook. `weights`: per hour of the week (from the epoch), 240 for "always active".

    Of its `pauses`, in its own hours, `long_ones` were longer than the `mean`, by `excess` hours in all; `longest` is
    the longest. `history_hours` is how long it was known.
    """

    weights: bytes
    pauses: int
    mean: float
    long_ones: int
    excess: float
    longest: float
    history_hours: int


def learn(active_hours: Sequence[int]) -> Rhythm | None:
    """From the hours since the epoch in which it spoke, rising; None where they are too few to say anything.

    Only the four weeks before the last one count, so that a long silence is not forgotten while it lasts.
    """
    last = active_hours[-1] if active_hours else 0
    hours = [hour for hour in active_hours if hour > last - HISTORY_HOURS]
    if len(hours) <= PAUSES_MIN:
        return None
    known = last - hours[0] + 1
    weights = _weights(hours, weeks=max(1, round(known / HOURS_OF_WEEK)))
    ends = _ends_in_own_hours(weights, hours)
    pauses = [later - earlier for earlier, later in pairwise(ends)]
    mean, longest = sum(pauses) / len(pauses), max(pauses)
    excesses = [pause - mean for pause in pauses if pause > mean]
    return Rhythm(weights, len(pauses), mean, len(excesses), sum(excesses), longest, known)


def chance_of_silence(rhythm: Rhythm, last_at_us: int, now_us: int) -> float:
    """How likely a pause is to last from the last request until now, or longer: 1 for what has happened before.

    Pauses beyond the mean are taken to have an exponential tail of unknown scale. From those seen, and one more that
    stands for what is not known, follows how far the next one may go (the posterior predictive, a Lomax tail): the
    fewer were seen, the farther. The scale is no less than what makes the longest of so many pauses likely.
    """
    silent = missed_hours(rhythm, last_at_us, now_us)
    if silent <= rhythm.longest:
        return 1.0
    seen, of_longest = rhythm.long_ones + 1, rhythm.longest / math.log(rhythm.pauses + 1)
    excess = max(rhythm.excess + of_longest, seen * of_longest)
    tail = (excess / (excess + silent - rhythm.mean)) ** seen
    return float(seen / (rhythm.pauses + 1) * tail)


def missed_hours(rhythm: Rhythm, last_at_us: int, now_us: int) -> float:
    """Hours since the last request that count, in which it used to speak."""
    first, until = last_at_us // HOUR_US + 1, now_us // HOUR_US
    if until < first:
        return 0.0
    begun = rhythm.weights[until % HOURS_OF_WEEK] / _UNIT * (now_us % HOUR_US / HOUR_US)
    return _own_hours(rhythm.weights, first, until) + begun


def _weights(hours: Sequence[int], *, weeks: int) -> bytes:
    """The share of weeks in which each hour was active, with its neighbours: who speaks at ten may be late, and clocks
    are changed twice a year."""
    active = [0] * HOURS_OF_WEEK
    for hour in hours:
        active[hour % HOURS_OF_WEEK] += 1
    shares = [min(1.0, count / weeks) for count in active]
    return bytes(
        round(_UNIT * (shares[at - 1] + 2 * shares[at] + shares[(at + 1) % HOURS_OF_WEEK]) / 4)
        for at in range(HOURS_OF_WEEK)
    )


def _ends_in_own_hours(weights: bytes, hours: Sequence[int]) -> list[float]:
    """Where each hour ends, counted in hours of the webhook's own from the epoch on."""
    before = [0, *accumulate(weights)]
    week = before[-1]
    return [(hour // HOURS_OF_WEEK * week + before[hour % HOURS_OF_WEEK + 1]) / _UNIT for hour in hours]


def _own_hours(weights: bytes, first: int, until: int) -> float:
    """What the hours since the epoch from `first` to before `until` count."""
    if until <= first:
        return 0.0
    weeks, rest = divmod(until - first, HOURS_OF_WEEK)
    begin = first % HOURS_OF_WEEK
    end = begin + rest
    counted = sum(weights[begin:end]) + sum(weights[: max(0, end - HOURS_OF_WEEK)])
    return (weeks * sum(weights) + counted) / _UNIT
