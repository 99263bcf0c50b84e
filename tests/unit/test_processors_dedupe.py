"""The dedupe decision."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.core.dedupe import Entry, Verdict, decide, decode_entry, ends_at_us, kept_until

_SECOND = 1_000_000
_DELIVERY = "01980000-0000-7000-8000-0000000000aa"
_OTHER = "01980000-0000-7000-8000-0000000000bb"


def _entry(**changes: Any) -> Entry:
    values: dict[str, Any] = {
        "received_at_us": 1_000 * _SECOND,
        "window_seconds": 60,
        "lane": 0,
        "partition": 3,
        "offset": 7,
        "incarnation": b"12345678",
        "delivery_id": _DELIVERY,
    }
    return Entry(**(values | changes))


def test_a_key_never_seen_is_new() -> None:
    assert decide(None, _entry()) is Verdict.NEW


def test_the_record_that_made_the_entry_is_a_redelivery() -> None:
    assert decide(_entry(), _entry()) is Verdict.REDELIVERED


@pytest.mark.parametrize(
    "change", [{"offset": 8}, {"partition": 4}, {"lane": 1}, {"incarnation": b"87654321"}], ids=lambda c: next(iter(c))
)
def test_another_record_inside_the_window_is_a_duplicate(change: dict[str, Any]) -> None:
    assert decide(_entry(), _entry(delivery_id=_OTHER, **change)) is Verdict.DUPLICATE


def test_a_delivery_that_was_written_twice_is_a_redelivery_of_itself_and_no_duplicate() -> None:
    assert decide(_entry(), _entry(offset=8, partition=4)) is Verdict.REDELIVERED


def test_the_entry_of_a_replay_outlives_the_replay_by_a_window_and_still_counts_from_its_origin() -> None:
    month_us = 30 * 86_400 * _SECOND
    kept = kept_until(_entry(), _entry().received_at_us + month_us + 1)
    assert kept.received_at_us == _entry().received_at_us
    assert ends_at_us(kept.encode()) == _entry().received_at_us + month_us + _SECOND + 60 * _SECOND
    assert kept_until(_entry(), _entry().received_at_us) == _entry()
    assert kept_until(_entry(), 2**63).window_seconds == 2**32 - 1
    later = _entry(delivery_id=_OTHER, offset=8, received_at_us=_entry().received_at_us + 60 * _SECOND)
    assert decide(kept, later) is Verdict.NEW, "what is kept longer swallows no more"


def test_the_window_ends_exactly_at_its_length() -> None:
    stored = _entry()
    last = _entry(delivery_id=_OTHER, offset=8, received_at_us=stored.received_at_us + 60 * _SECOND - 1)
    first_after = _entry(delivery_id=_OTHER, offset=8, received_at_us=stored.received_at_us + 60 * _SECOND)
    assert decide(stored, last) is Verdict.DUPLICATE
    assert decide(stored, first_after) is Verdict.NEW


def test_the_window_is_the_candidates_not_the_one_stored() -> None:
    stored = _entry(window_seconds=3_600)
    candidate = _entry(
        delivery_id=_OTHER, offset=8, window_seconds=60, received_at_us=stored.received_at_us + 61 * _SECOND
    )
    assert decide(stored, candidate) is Verdict.NEW


def test_a_request_received_before_the_first_by_more_than_the_window_is_new() -> None:
    stored = _entry()
    assert (
        decide(stored, _entry(delivery_id=_OTHER, offset=8, received_at_us=stored.received_at_us - 60 * _SECOND))
        is Verdict.NEW
    )


def test_a_redelivery_is_recognised_long_after_the_window() -> None:
    assert decide(_entry(window_seconds=60), _entry(window_seconds=60)) is Verdict.REDELIVERED


@given(
    received=st.integers(0, 2**63),
    window=st.integers(60, 2_592_000),
    lane=st.integers(0, 255),
    partition=st.integers(0, 2**31),
    offset=st.integers(0, 2**63),
    incarnation=st.binary(min_size=8, max_size=8),
    delivery=st.uuids(),
)
def test_an_entry_survives_its_encoding(  # one argument per member of the entry
    *, received: int, window: int, lane: int, partition: int, offset: int, incarnation: bytes, delivery: Any
) -> None:
    entry = Entry(received, window, lane, partition, offset, incarnation, str(delivery))
    assert decode_entry(entry.encode()) == entry


@pytest.mark.parametrize("value", [b"", b"\x02" + b"x" * 49, b"\x01" + b"x" * 48])
def test_an_unknown_form_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="is not known"):
        decode_entry(value)
