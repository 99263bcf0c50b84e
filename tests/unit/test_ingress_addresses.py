"""Failed proofs per source address: a bucket each, bounded tables, and nobody locked out by a neighbour."""

import pytest

from ingress.core import addresses
from ingress.core.addresses import FailedProofs

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
NOW_US = 1_750_849_543_488_000
ADDRESS, OTHER = "192.0.2.1", "192.0.2.2"


def fail(proofs: FailedProofs, address: str, times: int, at_us: int = NOW_US) -> None:
    for _ in range(times):
        assert proofs.wait_seconds(address, at_us) == 0
        proofs.failed(address, at_us)


def test_an_address_may_fail_a_minutes_worth_at_once_and_then_at_the_rate() -> None:
    proofs = FailedProofs(60)
    fail(proofs, ADDRESS, 60)
    assert proofs.wait_seconds(ADDRESS, NOW_US) == 1
    assert proofs.wait_seconds(ADDRESS, NOW_US + SECOND_US - 1) == 1
    fail(proofs, ADDRESS, 1, NOW_US + SECOND_US)
    assert proofs.wait_seconds(ADDRESS, NOW_US + SECOND_US) == 1
    fail(proofs, ADDRESS, 60, NOW_US + 61 * SECOND_US)
    assert proofs.wait_seconds(OTHER, NOW_US + 61 * SECOND_US) == 0


def test_the_wait_is_told_in_whole_seconds() -> None:
    proofs = FailedProofs(2)
    fail(proofs, ADDRESS, 2)
    assert proofs.wait_seconds(ADDRESS, NOW_US) == 30
    assert proofs.wait_seconds(ADDRESS, NOW_US + 29 * SECOND_US + 1) == 1


def test_a_64_of_v6_is_one_address_and_a_v4_address_in_v6_is_itself() -> None:
    proofs = FailedProofs(1)
    fail(proofs, "2001:db8::1", 1)
    fail(proofs, "::ffff:192.0.2.1", 1)
    assert proofs.wait_seconds("2001:db8::ffff:1", NOW_US) > 0
    assert proofs.wait_seconds("2001:db8:0:1::1", NOW_US) == 0
    assert proofs.wait_seconds("192.0.2.1", NOW_US) > 0


def test_what_was_proven_counts_for_an_hour_at_that_webhook_from_that_address() -> None:
    proofs = FailedProofs(60)
    proofs.succeeded(ADDRESS, "w-1", NOW_US)
    assert proofs.is_proven(ADDRESS, "w-1", NOW_US + HOUR_US - 1)
    assert not proofs.is_proven(ADDRESS, "w-1", NOW_US + HOUR_US)
    assert not proofs.is_proven(ADDRESS, "w-2", NOW_US)
    assert not proofs.is_proven(OTHER, "w-1", NOW_US)
    proofs.succeeded(ADDRESS, "w-1", NOW_US + HOUR_US // 2)
    assert proofs.is_proven(ADDRESS, "w-1", NOW_US + HOUR_US)


def test_without_a_bound_nothing_is_counted() -> None:
    proofs = FailedProofs(0)
    fail(proofs, ADDRESS, 1_000)
    proofs.succeeded(ADDRESS, "w-1", NOW_US)
    assert len(proofs) == 0


def test_addresses_without_a_place_share_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "ADDRESSES_MAX", 10)
    monkeypatch.setattr(addresses, "OVERFLOW_SHARES", 3)
    proofs = FailedProofs(2)
    for number in range(10):
        fail(proofs, f"198.51.100.{number}", 1)
    fail(proofs, "198.51.100.0", 1)
    assert proofs.wait_seconds("198.51.100.0", NOW_US) > 0
    for number in range(6):
        fail(proofs, f"203.0.113.{number}", 1)
    assert proofs.wait_seconds("203.0.113.9", NOW_US) == 10, "six in a minute together"
    assert proofs.wait_seconds("198.51.100.1", NOW_US) == 0, "whoever has a place keeps it"
    assert len(proofs) == 11
    later_us = NOW_US + 60 * SECOND_US
    for number in range(15):
        fail(proofs, f"203.0.113.{number}", 1, later_us)
    assert len(proofs) == 11, "places are free again after a minute"
    assert proofs.wait_seconds("203.0.113.9", later_us) == 0


def test_tables_stay_bounded_whatever_comes() -> None:
    proofs = FailedProofs(120)
    for number in range(2 * addresses.ADDRESSES_MAX):
        proofs.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", NOW_US + number)
    assert len(proofs) == addresses.ADDRESSES_MAX + 1
    for number in range(2 * addresses.PROVEN_PAIRS_MAX):
        proofs.succeeded(ADDRESS, f"w-{number}", NOW_US + number)
    assert len(proofs) == addresses.ADDRESSES_MAX + 1 + addresses.PROVEN_PAIRS_MAX
    assert proofs.is_proven(ADDRESS, f"w-{2 * addresses.PROVEN_PAIRS_MAX - 1}", NOW_US)
    assert not proofs.is_proven(ADDRESS, "w-0", NOW_US), "the oldest went first"


def test_a_clock_that_is_set_back_holds_nobody_for_longer() -> None:
    proofs = FailedProofs(60)
    fail(proofs, ADDRESS, 60)
    back_us = NOW_US - HOUR_US
    assert proofs.wait_seconds(ADDRESS, back_us) == 1
    assert proofs.wait_seconds(ADDRESS, back_us + SECOND_US) == 0
