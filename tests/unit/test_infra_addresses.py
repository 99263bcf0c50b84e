"""Whose address a request comes from: what is believed of X-Forwarded-For, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.addresses import client_address, parse_networks, subscriber

PROXIES = parse_networks(["10.0.0.0/8", "fd00::/8", "192.0.2.7"])


def test_without_trusted_proxies_the_header_is_not_read() -> None:
    assert client_address("203.0.113.9", "198.51.100.1", ()) == "203.0.113.9"
    assert client_address("10.0.0.1", "198.51.100.1", ()) == "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1 , 10.2.3.4,192.0.2.7", "198.51.100.1"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("::ffff:203.0.113.9", None, "203.0.113.9"),
        ("fd00::1", "2001:DB8:0::5", "2001:db8::5"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::5]:443", "2001:db8::5"),
        ("10.0.0.1", "[2001:db8::5]", "2001:db8::5"),
        ("fe80::1%eth0", None, "fe80::1"),
    ],
)
def test_the_walk_from_the_right_ends_at_the_first_address_that_is_no_proxy(
    peer: str, forwarded_for: str | None, expected: str
) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == expected


@pytest.mark.parametrize("garbage", ["unknown", "_hidden", "", " ", "1.2.3", "198.51.100.1.", "01.2.3.4", "a:b"])
def test_garbage_stops_the_walk_at_the_last_good_address(garbage: str) -> None:
    assert client_address("10.0.0.1", f"6.6.6.6, {garbage}", PROXIES) == "10.0.0.1"
    assert client_address("10.0.0.1", f"6.6.6.6, {garbage}, 10.0.0.2", PROXIES) == "10.0.0.2"


def test_a_peer_that_is_no_address_comes_back_as_it_is() -> None:
    assert client_address("", "198.51.100.1", PROXIES) == ""


@given(forwarded_for=st.text())
def test_no_header_makes_an_untrusted_peer_somebody_else(forwarded_for: str) -> None:
    assert client_address("203.0.113.9", forwarded_for, PROXIES) == "203.0.113.9"


@given(left=st.text())
def test_what_stands_left_of_the_first_untrusted_address_changes_nothing(left: str) -> None:
    assert client_address("10.0.0.1", f"{left},198.51.100.1", PROXIES) == "198.51.100.1"


def test_networks_are_parsed_and_mapped_ones_become_v4() -> None:
    assert [str(network) for network in PROXIES] == ["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"]
    assert [str(network) for network in parse_networks(["::ffff:10.0.0.0/104", "::/0"])] == ["10.0.0.0/8", "::/0"]


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "proxy.example", "", "10.0.0.0/8,10.1.0.0/16"])
def test_a_network_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a network") as caught:
        parse_networks(["10.0.0.0/8", text])
    assert repr(text) in str(caught.value)


def test_addresses_of_one_v6_line_are_one_subscriber_and_v4_addresses_are_one_each() -> None:
    assert subscriber("2001:db8:1:2::1") == subscriber("[2001:db8:1:2:ffff::9]:443") != subscriber("2001:db8:1:3::1")
    assert subscriber("::ffff:192.0.2.1") == subscriber("192.0.2.1:80") == "192.0.2.1" != subscriber("192.0.2.2")
    assert subscriber("") == ""
