"""Identifiers, the clock's text, and the record keys."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.clock import MICROSECONDS, now_us, rfc3339, rfc3339_of
from infra.ids import RandomDigits, command_id, uuid7_text
from schemas.keys import KEY_BYTES, entity_key, request_key

#: The 48-bit millisecond field of UUIDv7 ends in the year 10889.
TIMES_US = st.integers(0, (2**48 - 1) * 1_000)


@given(TIMES_US)
def test_a_uuid7_is_of_version_7_and_carries_its_milliseconds(at_us: int) -> None:
    made = UUID(uuid7_text(at_us))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == at_us // 1_000


def test_a_uuid7_is_the_canonical_text_of_itself() -> None:
    text = uuid7_text(1_750_000_000_000_000)
    assert text == str(UUID(text))


def test_uuid7_of_one_instant_do_not_repeat() -> None:
    assert len({uuid7_text(1_750_000_000_000_000) for _ in range(10_000)}) == 10_000


def test_later_uuid7_sort_later() -> None:
    texts = [uuid7_text(1_750_000_000_000_000 + step * 1_000) for step in range(1_000)]
    assert texts == sorted(texts)


def test_a_command_id_is_the_same_in_every_release() -> None:
    assert str(command_id("delivery", "", "createTicket")) == "78aed322-9189-5116-8589-7f9f1a2b3d2a"


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4), st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_command_ids_are_equal_only_for_equal_parts(first: list[str], second: list[str]) -> None:
    assert (command_id(*first) == command_id(*second)) == (first == second)


@pytest.mark.parametrize(
    ("at_us", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_750_000_000_123_999, "2025-06-15T15:06:40.123Z"),
        (951_782_399_999_999, "2000-02-28T23:59:59.999Z"),
    ],
)
def test_times_are_shown_in_utc_with_milliseconds(at_us: int, text: str) -> None:
    assert rfc3339(at_us) == text


def test_the_first_year_has_four_digits_too() -> None:
    assert rfc3339_of(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000Z"


def test_now_counts_microseconds_of_this_century() -> None:
    assert 1_700_000_000 < now_us() / MICROSECONDS < 4_102_444_800


PARTS = st.tuples(*[st.text("ab\0", max_size=3)] * 3)


@given(PARTS, PARTS)
def test_request_keys_collide_only_for_equal_parts(first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
    assert (request_key(*first) == request_key(*second)) == (first == second)


def test_parts_are_not_simply_joined() -> None:
    assert request_key("ab", "c", "") != request_key("a", "bc", "")
    assert request_key("t", "w1", "1") != request_key("t", "w", "11")
    assert request_key("t", "w", "x") != request_key("x", "w", "t")


def test_keys_have_their_fixed_length_whatever_goes_in() -> None:
    for source in ("", "a", "\udc80 lone surrogate", "x" * 100_000):
        assert len(request_key("t", "w", source)) == KEY_BYTES
        assert len(entity_key("t", "w", source)) == KEY_BYTES


def test_a_request_key_is_the_same_in_every_release() -> None:
    tenant, webhook = "01980000-0000-7000-8000-000000000001", "01980000-0000-7000-8000-000000000002"
    assert request_key(tenant, webhook, "alert-1").hex() == "381a6bb4e394bcbd19dab938815dfbe3"


def test_random_digits_are_as_many_as_asked_for_and_never_the_same() -> None:
    source = RandomDigits(20)
    drawn = [source.take() for _ in range(1_000)]
    assert all(re.fullmatch("[0-9a-f]{20}", digits) for digits in drawn)
    assert len(set(drawn)) == 1_000
