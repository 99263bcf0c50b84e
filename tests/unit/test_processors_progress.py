"""Positions advance only along finished batches, and only after the broker's success."""

import pytest

from processors.host.progress import Partition, Progress

_P = Partition("requests", 0)
_Q = Partition("requests", 1)


def test_nothing_is_committed_before_something_is_finished() -> None:
    progress = Progress({_P: 10})
    progress.hand_out(_P, 10, 20)
    assert progress.uncommitted() == {}


def test_a_slow_head_holds_the_position_back() -> None:
    progress = Progress({_P: 10, _Q: 0})
    progress.hand_out(_P, 10, 20)
    progress.hand_out(_P, 20, 30)
    progress.hand_out(_Q, 0, 5)
    progress.finish(_Q, 5)
    assert progress.uncommitted() == {_Q: 5}
    progress.finish(_P, 20)
    assert progress.uncommitted() == {_P: 20, _Q: 5}


def test_a_failed_commit_is_offered_again() -> None:
    progress = Progress({_P: 0})
    progress.hand_out(_P, 0, 5)
    progress.finish(_P, 5)
    first = progress.uncommitted()
    assert first == progress.uncommitted() == {_P: 5}
    progress.mark_committed(first)
    assert progress.uncommitted() == {}


def test_a_late_success_never_moves_the_committed_position_back() -> None:
    progress = Progress({_P: 0})
    for end in (5, 9):
        progress.hand_out(_P, progress.position(_P), end)
        progress.finish(_P, end)
    progress.mark_committed({_P: 9})
    progress.mark_committed({_P: 5})
    assert progress.uncommitted() == {}


def test_offsets_that_do_not_exist_are_counted_as_a_gap() -> None:
    assert Progress({_P: 10}).hand_out(_P, 13, 15) == 3


@pytest.mark.parametrize(("first", "end"), [(9, 12), (10, 10), (12, 11)])
def test_records_that_come_twice_or_backwards_are_refused(first: int, end: int) -> None:
    with pytest.raises(ValueError, match="handed out"):
        Progress({_P: 10}).hand_out(_P, first, end)


def test_a_batch_finished_out_of_turn_is_refused() -> None:
    progress = Progress({_P: 0})
    progress.hand_out(_P, 0, 5)
    progress.finish(_P, 5)
    with pytest.raises(ValueError, match="out of turn"):
        progress.finish(_P, 5)
    with pytest.raises(ValueError, match="out of turn"):
        progress.finish(_P, 6)
