"""The ledger's decisions: runs of offsets, what disagrees, the chain that nobody can alter, and how far the line is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.clock import HOUR_US
from infra.ledger.core.chain import GENESIS, Break, Chain, Entry, chained, entry_hash, first_break, look_through
from infra.ledger.core.counts import (
    Difference,
    HourCounts,
    Kind,
    Misplaced,
    alteration,
    differences_of,
    disagreements,
    is_to_be_entered,
    runs,
)
from infra.ledger.core.frontier import Frontier, Place, Positions, is_past

TENANT = "0192f0c0-0000-7000-8000-000000000001"
WHOLE = HourCounts(accepted=8, invalid_json=1, late=1, attested_digest=7, raw=12, tests=1, replays=1, request_digest=7)
WHOLE = replace(WHOLE, dispatched=7, duplicate=2, filtered=1, failed=1, pending=1)


@given(st.lists(st.integers(0, 200), max_size=80))
def test_runs_cover_exactly_the_offsets_and_never_touch(offsets: list[int]) -> None:
    found = list(runs(offsets))
    covered = [offset for first, last in found for offset in range(first, last + 1)]
    assert covered == sorted(set(offsets))
    assert all(found[n][1] + 1 < found[n + 1][0] for n in range(len(found) - 1))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.integers(0, 30)), max_size=60))
def test_differences_keep_tenants_and_partitions_apart(placed: list[tuple[str, int, int]]) -> None:
    misplaced = [Misplaced(tenant, 0, Kind.LOSS, "raw", number, offset, "why") for tenant, number, offset in placed]
    found = differences_of(misplaced)
    covered = {
        (one.tenant_id, one.partition, offset)
        for one in found
        for offset in range(one.first_offset, one.last_offset + 1)
    }
    assert covered == set(placed)
    assert sum(one.count for one in found) == len(covered)


def found_in(counts: HourCounts, *known: Difference) -> list[tuple[Kind, int]]:
    return [(one.kind, one.count) for one in disagreements(TENANT, 0, counts, known)]


def test_an_hour_whose_sides_agree_has_no_difference() -> None:
    assert found_in(WHOLE) == []
    assert (WHOLE.attested, WHOLE.requests, WHOLE.ended, WHOLE.unattested) == (10, 10, 11, 0)


def test_more_acknowledged_than_there_is_means_a_loss_unless_it_is_known_by_its_place() -> None:
    more = replace(WHOLE, accepted=11)
    assert found_in(more) == [(Kind.LOSS, 3)]
    assert found_in(more, Difference(TENANT, 0, Kind.LOSS, 2, "", "raw", 0, 4, 5)) == [(Kind.LOSS, 1)]
    assert found_in(more, Difference(TENANT, 0, Kind.LOSS, 3, "", "raw", 0, 4, 6)) == []


@given(st.integers(1, 7))
def test_less_acknowledged_than_there_is_means_that_a_receiver_was_killed(fewer: int) -> None:
    less = replace(WHOLE, accepted=WHOLE.accepted - fewer, attested_digest=1)
    assert found_in(less) == []
    assert less.unattested == fewer


def test_as_many_but_other_records_differ_by_their_digest() -> None:
    assert found_in(replace(WHOLE, request_digest=8)) == [(Kind.EXCHANGED, 10)]


def test_a_delivery_in_no_known_state_is_told_of() -> None:
    assert found_in(replace(WHOLE, failed=0)) == [(Kind.ALTERED, 1)]


@given(st.integers(-3, 3), st.integers(-3, 3))
def test_an_hour_may_gain_after_its_entry_but_not_lose(raw: int, ended: int) -> None:
    found = replace(WHOLE, raw=WHOLE.raw + raw, dispatched=WHOLE.dispatched + ended)
    altered = alteration(TENANT, 0, WHOLE, found)
    assert (altered is not None) == (raw < 0 or ended < 0)
    if altered is not None:
        assert altered.count == (-raw if raw < 0 else -ended)


def test_what_changes_is_entered_at_once_when_nothing_is_pending_and_else_once_an_hour() -> None:
    later, ended = replace(WHOLE, raw=13, pending=2), replace(WHOLE, dispatched=8, pending=0)
    assert is_to_be_entered(None, WHOLE, 0)
    assert not is_to_be_entered(None, HourCounts(), 0)
    assert not is_to_be_entered(WHOLE, WHOLE, 10 * HOUR_US)
    assert is_to_be_entered(WHOLE, ended, 0)
    assert not is_to_be_entered(WHOLE, later, HOUR_US - 1)
    assert is_to_be_entered(WHOLE, later, HOUR_US)


@given(st.builds(HourCounts, *[st.integers(0, 2**64 - 1)] * 14))
def test_counts_come_back_from_their_json(counts: HourCounts) -> None:
    assert HourCounts.from_json(counts.as_json() | {"of_a_later_release": 1}) == counts


def chain_of(count: int) -> list[Entry]:
    entries: list[Entry] = []
    for number in range(count):
        last = entries[-1] if entries else None
        entries.append(chained(last, TENANT, number * HOUR_US, 0, entered_at_us=number, counts=WHOLE.as_json()))
    return entries


def test_a_whole_chain_has_no_break_also_in_parts() -> None:
    entries = chain_of(6)
    assert entries[0].previous_hash == GENESIS
    assert first_break(entries) is None
    assert first_break(entries[3:], entries[2]) is None
    assert first_break(entries[3:]) is not None


@given(st.integers(0, 5), st.sampled_from(["hour_us", "revision", "entered_at_us", "counts", "tenant_id", "hash"]))
def test_any_change_of_any_member_is_found_at_its_entry(at: int, member: str) -> None:
    entries = chain_of(6)
    before = getattr(entries[at], member)
    changed: object = before + 1 if isinstance(before, int) else f"{before[:-1]}x" if isinstance(before, str) else {}
    members: dict[str, Any] = {member: changed}
    entries[at] = replace(entries[at], **members)
    broken = first_break(entries)
    assert broken is not None
    assert broken.number == at + 1


@given(st.integers(0, 4))
def test_an_entry_taken_out_or_hashed_anew_is_found(at: int) -> None:
    entries = chain_of(6)
    missing = Break(at + 1, f"entry {at + 1} is missing", entries[at + 1].hour_us)
    assert first_break(entries[:at] + entries[at + 1 :]) == missing
    forged = replace(entries[at], revision=9)
    entries[at] = replace(forged, hash=entry_hash(forged))
    broken = first_break(entries)
    assert broken is not None
    assert broken.problem == f"entry {at + 2} does not follow the one before"
    assert look_through([entries[:2], entries[2:5], entries[5:]]) == Chain(6, entries[-1], broken)


STAGES = (("processors", ("raw",)), ("actions", ("actions",)), ("sink", ("recorded",)))
RAW, ACTIONS, RECORDED = ("raw", 0), ("actions", 0), ("recorded", 0)


def positions(committed: tuple[int, int, int], ends: tuple[int, int, int]) -> Positions:
    places = (RAW, ACTIONS, RECORDED)
    groups: dict[str, dict[Place, int]] = {
        group: {place: offset} for (group, _), place, offset in zip(STAGES, places, committed, strict=True)
    }
    return Positions(groups, dict(zip(places, ends, strict=True)))


def test_an_idle_line_is_through_at_once() -> None:
    frontier = Frontier(STAGES)
    assert frontier.advance(positions((5, 4, 5), (5, 4, 5)))
    assert frontier.ends == {RAW: 5}


def test_a_request_is_through_only_when_what_its_stages_wrote_is_stored() -> None:
    frontier = Frontier(STAGES)
    assert not frontier.advance(positions((3, 2, 3), (5, 2, 3)))
    assert not frontier.advance(positions((5, 2, 3), (9, 4, 3))), "its actions have not run"
    assert not frontier.advance(positions((9, 4, 3), (9, 8, 7))), "their outcomes are not stored"
    assert frontier.ends == {}
    assert frontier.advance(positions((9, 8, 7), (20, 8, 9)))
    assert frontier.ends == {RAW: 5}, "what came later is not judged yet"


def test_nothing_committed_is_past_where_nothing_was_written_and_nowhere_else() -> None:
    assert is_past({}, {RAW: 0})
    assert not is_past({}, {RAW: 1})


@pytest.mark.parametrize("kind", list(Kind))
def test_a_place_is_written_as_topic_partition_and_offsets(kind: Kind) -> None:
    assert Difference(TENANT, 0, kind, 3, "why", "raw.v1", 1, 4, 6).place == "raw.v1-1:4-6"
    assert Difference(TENANT, 0, kind, 3, "why").place == ""
