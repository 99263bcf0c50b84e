"""When a consumer stands still, and when it does not."""

from infra.standstill import LEFT_BEHIND_FACTOR, Place, Standstill

_A: Place = ("requests", 0)
_B: Place = ("requests", 1)


def test_a_consumer_that_commits_nothing_of_what_waits_stands_still() -> None:
    standstill = Standstill(120)
    assert standstill.look({_A: 7, _B: 3}, 0) is None
    assert standstill.look({_A: 7, _B: 3}, 119) is None
    assert standstill.look({_A: 7, _B: 3}, 120) == "nothing was committed for 120 s"


def test_what_moves_or_is_caught_up_with_begins_anew() -> None:
    standstill = Standstill(120)
    standstill.look({_A: 7}, 0)
    assert standstill.look({_A: 8}, 100) is None
    assert standstill.look({_A: 8}, 219) is None
    assert standstill.look({}, 219) is None
    assert standstill.look({_A: 9}, 300) is None
    assert standstill.look({_A: 9}, 419) is None
    assert standstill.look({_A: 9}, 420) is not None


def test_nothing_that_waits_is_no_standstill_however_long() -> None:
    standstill = Standstill(120)
    assert all(standstill.look({}, now) is None for now in range(0, 10_000, 100))


def test_a_partition_may_wait_longer_while_others_move_and_not_for_ever() -> None:
    standstill = Standstill(120)
    reasons = [standstill.look({_A: 7, _B: now}, now) for now in range(0, LEFT_BEHIND_FACTOR * 120 + 1, 60)]
    assert not any(reasons[:-1])
    assert reasons[-1] == "of a partition nothing was committed for 1200 s, beside others that move"


def test_time_in_which_nobody_is_at_fault_does_not_count() -> None:
    standstill = Standstill(120)
    standstill.look({_A: 7}, 0)
    standstill.forget()
    assert standstill.look({_A: 7}, 500) is None
    assert standstill.look({_A: 7}, 619) is None
    assert standstill.look({_A: 7}, 620) is not None
