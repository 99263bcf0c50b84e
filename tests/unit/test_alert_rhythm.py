"""What a webhook's rhythm is learnt from, when a silence is one, and when it is not: on rhythms made for it."""

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from management.alerting.core.judgements import Level, judge_silence
from management.alerting.core.rhythm import (
    HISTORY_HOURS,
    HOUR_US,
    HOURS_OF_WEEK,
    PAUSES_MIN,
    Rhythm,
    chance_of_silence,
    learn,
    missed_hours,
)
from management.alerting.core.rules import Silence

DEFAULTS = Silence()
#: A Monday, 0:00 UTC, in hours since the epoch.
MONDAY = 4 * 24 + HOURS_OF_WEEK * 2_900
WEEKS = 10
TUESDAY_NOON = MONDAY + 9 * HOURS_OF_WEEK + 36
Speaks = Callable[[int, random.Random], bool]


def steady(_: int, __: random.Random) -> bool:
    return True


def in_business_hours(hour: int, chance: random.Random) -> bool:
    of_week = (hour - MONDAY) % HOURS_OF_WEEK
    return of_week < 5 * 24 and 8 <= of_week % 24 < 18 and chance.random() < 0.9


def nightly(hour: int, _: random.Random) -> bool:
    """A backup's report, at two or, now and then, an hour late."""
    return hour % 24 == (3 if random.Random(hour // 24).random() < 0.2 else 2)


def bursty(hour: int, chance: random.Random) -> bool:
    """Some hours together, then nothing for a day or more."""
    return random.Random(hour // 7).random() < 0.15 and chance.random() < 0.9


def rare(_: int, chance: random.Random) -> bool:
    return chance.random() < 0.05


def weekly(hour: int, _: random.Random) -> bool:
    return (hour - MONDAY) % HOURS_OF_WEEK == 9


RHYTHMS: dict[str, Speaks] = {one.__name__: one for one in (steady, in_business_hours, nightly, bursty, rare, weekly)}
BY_RHYTHM = pytest.mark.parametrize("name", RHYTHMS)


def spoken(speaks: Speaks, seed: int, *, first: int = MONDAY, weeks: int = WEEKS) -> list[int]:
    chance = random.Random(seed)
    return [hour for hour in range(first, first + weeks * HOURS_OF_WEEK) if speaks(hour, chance)]


def level(rhythm: Rhythm | None, last_hour: int, at_hour: float) -> Level:
    """`last_hour`: the last request came at its end. `at_hour` may be in the middle of one."""
    last_at_us = (last_hour + 1) * HOUR_US - 1
    return judge_silence(DEFAULTS, rhythm, last_at_us, int(at_hour * HOUR_US)).level


def alarms(hours: Sequence[int]) -> list[int]:
    """Hours that came after a pause that was taken for a silence, by what was known before it."""
    found: list[int] = []
    rhythm: Rhythm | None = None
    for at in range(1, len(hours)):
        if at % 24 == 1:  # it is learnt anew now and then, not with every request
            rhythm = learn(hours[:at])
        if level(rhythm, hours[at - 1], hours[at]) is Level.RAISED:
            found.append(hours[at])
    return found


def hours_to_alarm(hours: Sequence[int]) -> int | None:
    """After how many hours the silence behind all of them is one; None: not within ten weeks."""
    rhythm, last = learn(hours), hours[-1]
    found = (
        after for after in range(1, WEEKS * HOURS_OF_WEEK) if level(rhythm, last, last + 1 + after) is Level.RAISED
    )
    return next(found, None)


def until(hours: Sequence[int], end: int) -> list[int]:
    return [hour for hour in hours if hour < end]


@BY_RHYTHM
@pytest.mark.parametrize("seed", range(2))
def test_no_pause_of_a_webhook_that_goes_on_as_ever_is_taken_for_a_silence(name: str, seed: int) -> None:
    assert alarms(spoken(RHYTHMS[name], seed)) == []


@pytest.mark.soak
@BY_RHYTHM
def test_over_many_seeds_fewer_pauses_are_taken_for_a_silence_than_the_rule_allows(name: str) -> None:
    spoken_by_seed = [spoken(RHYTHMS[name], seed) for seed in range(2, 40)]
    pauses = sum(map(len, spoken_by_seed))
    assert sum(len(alarms(hours)) for hours in spoken_by_seed) <= DEFAULTS.chance_max * pauses


@pytest.mark.parametrize(
    ("name", "at_most"),
    [("steady", 2), ("in_business_hours", 6), ("nightly", 5 * 24), ("bursty", 8 * 24), ("rare", 8 * 24)],
)
def test_a_webhook_that_fell_silent_is_noticed(name: str, at_most: int) -> None:
    """It stops on a Tuesday at noon."""
    hours = until(spoken(RHYTHMS[name], 7), TUESDAY_NOON)
    after = hours_to_alarm(hours)
    assert after is not None
    assert 1 < after <= at_most


def test_who_speaks_once_a_week_is_too_rare_to_be_judged_and_its_six_days_are_no_silence() -> None:
    hours = spoken(weekly, 7)
    assert learn(hours) is None
    assert hours_to_alarm(hours) is None


def test_nights_and_weekends_pass_in_no_time() -> None:
    """Friday's last request at six: nothing until Monday morning, and an alert in the course of Monday."""
    friday_evening = MONDAY + 8 * HOURS_OF_WEEK + 4 * 24 + 18
    hours = until(spoken(in_business_hours, 3), friday_evening)
    after = hours_to_alarm(hours)
    assert after is not None
    raised_at = hours[-1] + 1 + after
    monday = MONDAY + 9 * HOURS_OF_WEEK
    assert monday + 8 < raised_at < monday + 18


def test_clocks_that_are_changed_raise_nothing() -> None:
    """From one week to the next everything comes an hour later."""
    hours = spoken(in_business_hours, 5, weeks=6)
    later = [hour + 1 for hour in spoken(in_business_hours, 6, first=MONDAY + 6 * HOURS_OF_WEEK, weeks=4)]
    assert alarms([*hours, *later]) == []


def test_a_new_webhook_is_not_judged_before_it_has_been_known_for_two_weeks() -> None:
    young = spoken(steady, 1, weeks=1)
    assert level(learn(young), young[-1], young[-1] + 100) is Level.BETWEEN
    known = spoken(steady, 1, weeks=2)
    assert level(learn(known), known[-1], known[-1] + 100) is Level.RAISED
    assert learn(known[:PAUSES_MIN]) is None
    assert learn([]) is None


def test_a_webhook_that_grows_raises_nothing_and_is_noticed_when_it_stops() -> None:
    def growing(hour: int, chance: random.Random) -> bool:
        return chance.random() < (hour - MONDAY) / (WEEKS * HOURS_OF_WEEK)

    hours = spoken(growing, 11)
    assert alarms(hours) == []
    after = hours_to_alarm(hours)
    assert after is not None
    assert after <= 2 * 24


def test_what_was_long_ago_is_not_learnt_from_and_a_silence_is_not_forgotten_while_it_lasts() -> None:
    hours = spoken(steady, 1)
    assert learn(hours) == learn(hours[-HISTORY_HOURS:])
    rhythm = learn(hours)
    assert level(rhythm, hours[-1], hours[-1] + 5 * HISTORY_HOURS) is Level.RAISED


def test_the_words_say_since_when_and_how_unusual_it_is() -> None:
    hours = spoken(steady, 1)
    judged = judge_silence(DEFAULTS, learn(hours), hours[-1] * HOUR_US, (hours[-1] + 6) * HOUR_US)
    assert judged.level is Level.RAISED
    assert "for 6 h 0 m, of which 5.0 hours are ones in which it used to speak" in judged.message
    assert judged.details["longest_pause_hours"] == 1.0


@settings(max_examples=30)
@given(
    active=st.lists(st.booleans(), min_size=HOURS_OF_WEEK, max_size=HOURS_OF_WEEK),
    last=st.integers(0, HOURS_OF_WEEK - 1),
    pauses=st.lists(st.integers(0, 400 * 60), min_size=2, max_size=6),
)
def test_the_longer_the_silence_the_less_likely_it_is(active: list[bool], last: int, pauses: list[int]) -> None:
    weeks = [MONDAY + week * HOURS_OF_WEEK + at for week in range(4) for at, spoke in enumerate(active) if spoke]
    rhythm = learn(weeks)
    if rhythm is None:
        return
    last_us = (MONDAY + 4 * HOURS_OF_WEEK + last) * HOUR_US
    ordered = sorted(pauses)
    chances = [chance_of_silence(rhythm, last_us, last_us + minutes * HOUR_US // 60) for minutes in ordered]
    missed = [missed_hours(rhythm, last_us, last_us + minutes * HOUR_US // 60) for minutes in ordered]
    assert chances == sorted(chances, reverse=True)
    assert missed == sorted(missed)
    assert all(0.0 <= one <= 1.0 for one in chances)
    assert all(0.0 <= one <= minutes / 60 + 1e-9 for one, minutes in zip(missed, ordered, strict=True))


@settings(max_examples=30)
@given(last=st.integers(0, HOURS_OF_WEEK - 1), minutes=st.integers(0, 10_000))
def test_a_silence_in_hours_that_were_always_active_is_counted_in_full(last: int, minutes: int) -> None:
    """From the end of the hour of the last request on: within it nothing is known."""
    rhythm = learn(range(MONDAY, MONDAY + HISTORY_HOURS))
    assert rhythm is not None
    last_us = last * HOUR_US
    assert missed_hours(rhythm, last_us, last_us + minutes * HOUR_US // 60) == pytest.approx(max(0.0, minutes / 60 - 1))
