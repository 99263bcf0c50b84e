"""What a call's bucket says in headers, and how failed keys of one address are held back."""

import hashlib

import pytest

from management import rate_limit
from management.rate_limit import CallRate, FailedKeys


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def key(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def test_the_headers_say_what_is_left_and_when_the_bucket_is_full() -> None:
    rate = CallRate(limit=100, tokens=97.4, allowed=True)
    assert rate.headers() == {"RateLimit-Limit": "100", "RateLimit-Remaining": "97", "RateLimit-Reset": "2"}


@pytest.mark.parametrize(("limit", "tokens", "seconds"), [(100, 0.5, 1), (1, 0.0, 60), (30, 0.25, 2), (60, 1.0, 1)])
def test_a_refused_call_is_told_when_the_next_token_comes(limit: int, tokens: float, seconds: int) -> None:
    assert CallRate(limit, tokens, allowed=False).retry_after_seconds == seconds


def test_an_address_may_fail_so_often_a_minute_and_then_waits() -> None:
    clock = Clock()
    keys = FailedKeys(3, clock)
    for number in range(3):
        assert keys.wait_seconds("192.0.2.1", key(str(number))) == 0
        keys.failed("192.0.2.1", key(str(number)))
    assert keys.wait_seconds("192.0.2.1", key("x")) == 20
    assert keys.wait_seconds("192.0.2.2", key("x")) == 0
    clock.seconds += 19.5
    assert keys.wait_seconds("192.0.2.1", key("x")) == 1
    clock.seconds += 0.6
    assert keys.wait_seconds("192.0.2.1", key("x")) == 0


def test_a_key_that_was_good_still_works_behind_an_address_that_is_held_back() -> None:
    keys = FailedKeys(1, Clock())
    keys.succeeded(key("good"))
    keys.failed("192.0.2.1", key("bad"))
    assert keys.wait_seconds("192.0.2.1", key("other")) == 60
    assert keys.wait_seconds("192.0.2.1", key("good")) == 0
    keys.failed("192.0.2.1", key("good"))
    assert keys.wait_seconds("192.0.2.1", key("good")) == 60


def test_all_addresses_of_one_v6_network_share_their_failures() -> None:
    keys = FailedKeys(1, Clock())
    keys.failed("2001:db8:0:1::1", key("bad"))
    assert keys.wait_seconds("2001:db8:0:1:ffff::9", key("bad")) == 60
    assert keys.wait_seconds("2001:db8:0:2::1", key("bad")) == 0


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "ADDRESSES_MAX", 2)
    monkeypatch.setattr(rate_limit, "GOOD_KEYS_MAX", 1)
    keys = FailedKeys(1, Clock())
    for last in (1, 2, 3):
        keys.failed(f"192.0.2.{last}", key("bad"))
        keys.succeeded(key(str(last)))
    assert keys.wait_seconds("192.0.2.1", key("bad")) == 0
    assert keys.wait_seconds("192.0.2.2", key("2")) == 60
    assert keys.wait_seconds("192.0.2.3", key("3")) == 0
