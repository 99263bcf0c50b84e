"""Where a listener is, as an event id, and what became of it meanwhile."""

import pytest

from management.delivery_stream.positions import Missed, Place, read_place, resumed, show_place

_KEPT = {0: (5, 20), 1: (0, 10)}


def test_an_id_is_read_as_it_was_shown() -> None:
    place = Place("Hh7_x-/+A==", (3, 0, 12))
    assert read_place(show_place(place)) == place


def test_who_comes_back_goes_on_where_the_id_says() -> None:
    assert resumed(Place("a", (7, 10)), "a", _KEPT) == ({0: 7, 1: 10}, [])


def test_what_the_topic_no_longer_keeps_is_told() -> None:
    assert resumed(Place("a", (2, 4)), "a", _KEPT) == ({0: 5, 1: 4}, [Missed(0, 2, 5)])


def test_a_newer_partition_is_read_whole() -> None:
    assert resumed(Place("a", (7,)), "a", _KEPT) == ({0: 7, 1: 0}, [])


def test_a_topic_that_was_made_anew_is_read_whole() -> None:
    assert resumed(Place("b", (7, 1)), "a", _KEPT) == ({0: 5, 1: 0}, [Missed(0, 7, 7), Missed(1, 1, 1)])


@pytest.mark.parametrize("offsets", [(21, 0), (7, 11), (7, 1, 0)])
def test_a_place_ahead_of_the_topic_is_none(offsets: tuple[int, ...]) -> None:
    assert resumed(Place("a", offsets), "a", _KEPT) is None
