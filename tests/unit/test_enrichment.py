"""What a request tells about its sender: software from its User-Agent, place from a file of locations."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from infra.enrichment import locations as module
from infra.enrichment.clients import Clients
from infra.enrichment.locations import Location, Locations
from infra.enrichment.user_agents import NOBODY, UserAgent, parse_user_agent
from infra.errors import SettingsError
from infra.settings import EnrichmentSettings

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 "
    "Mobile/15E148 Safari/604.1"
)
CITY = {
    "country": {"iso_code": "DE", "names": {"en": "Germany", "de": "Deutschland"}},
    "subdivisions": [{"names": {"en": "Land Berlin"}}],
    "city": {"names": {"en": "Berlin"}},
    "location": {"latitude": 52.5, "longitude": 13.4, "time_zone": "Europe/Berlin"},
    "traits": {"autonomous_system_number": 64496, "autonomous_system_organization": "Example Net"},
}
BERLIN = Location("DE", "Germany", "Land Berlin", "Berlin", 52.5, 13.4, "Europe/Berlin", 64496, "Example Net")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (CHROME, UserAgent("Chrome 120", "Windows 10", None)),
        (IPHONE, UserAgent("Mobile Safari 17", "iOS 17", "Apple iPhone")),
        ("curl/8.5.0", UserAgent("curl 8", None, None)),
        ("python-requests/2.31", UserAgent("Python Requests 2", None, None)),
        ("NoOneKnowsThis/1", NOBODY),
        ("", NOBODY),
        (None, NOBODY),
    ],
)
def test_a_user_agent_is_told_in_words(text: str | None, found: UserAgent) -> None:
    assert parse_user_agent(text) == found


@given(st.text(max_size=2_000))
@settings(max_examples=100, deadline=None)
def test_any_header_is_read_without_a_fault(text: str) -> None:
    assert len(parse_user_agent(text)) == 3


def written(path: Path, networks: dict[str, Any], kind: str = "GeoIP2-City") -> Path:
    """A database of locations."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type=kind)
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


def test_without_a_file_nobody_has_a_location() -> None:
    assert Locations(None).find("81.2.69.160") is None


def test_an_address_has_what_the_file_says(tmp_path: Path) -> None:
    found = Locations(written(tmp_path / "city.mmdb", {"81.2.69.0/24": CITY, "2a02:6b8::/32": CITY}))
    assert found.find("81.2.69.160") == BERLIN
    assert found.find("2a02:6b8::1") == BERLIN
    for address in ("81.2.70.1", "10.0.0.1", "127.0.0.1", "::1", "fe80::1", "192.168.1.1", "nonsense", ""):
        assert found.find(address) is None


@pytest.mark.parametrize(
    ("record", "location"),
    [
        ({"country": CITY["country"]}, Location("DE", "Germany")),
        (
            {"autonomous_system_number": 64496, "autonomous_system_organization": "X"},
            Location(asn=64496, organisation="X"),
        ),
        ({"country": "DE", "asn": "AS64496", "as_name": "X"}, Location("DE", asn=64496, organisation="X")),
        (
            {"country_code": "DE", "city": "Berlin", "lat": "52.5", "lng": "13.4"},
            Location("DE", city="Berlin", latitude=52.5, longitude=13.4),
        ),
        ({"country": {"iso_code": 7}, "city": "Berlin"}, None),
        ({"asn": "AS?"}, None),
        ({"country": "DE", "asn": "AS4294967296"}, Location("DE")),
        ({"country": "DE", "asn": 2**40}, Location("DE")),
        ({"country": "DE", "asn": True}, Location("DE")),
    ],
)
def test_other_shapes_of_files_are_read_too(tmp_path: Path, record: dict[str, Any], location: Location | None) -> None:
    assert Locations(written(tmp_path / "x.mmdb", {"81.2.69.0/24": record}, "Other")).find("81.2.69.160") == location


def test_a_file_that_is_no_database_is_said_at_the_start(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"no database")
    for path in (broken, tmp_path / "nowhere.mmdb"):
        with pytest.raises(SettingsError, match="HOOKLINE_ENRICHMENT__MMDB_FILE"):
            Locations(path)


def test_a_file_that_is_broken_inside_is_no_fault_of_the_delivery(tmp_path: Path) -> None:
    whole = written(tmp_path / "city.mmdb", {"81.2.69.0/24": CITY}).read_bytes()
    broken = tmp_path / "broken.mmdb"
    metadata = whole.rindex(b"\xab\xcd\xefMaxMind.com")
    found = set()
    for at in range(metadata - 400, len(whole) - 3, 7):
        for byte in (0x00, 0x3F, 0xE5):
            broken.write_bytes(whole[:at] + bytes([byte]) * 3 + whole[at + 3 :])
            try:
                found.add(Locations(broken).find("81.2.69.160"))
            except SettingsError:
                continue
    assert {None, BERLIN} <= found


def test_a_file_that_is_replaced_is_used_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "city.mmdb", {"81.2.69.0/24": CITY})
    found = Locations(path)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    assert found.find("81.2.69.160") == BERLIN
    os.replace(written(tmp_path / "new.mmdb", {"81.2.69.0/24": {"country": {"iso_code": "FR"}}}), path)
    assert found.find("81.2.69.160") == Location("FR")
    path.unlink()
    path.write_bytes(b"no database")
    assert found.find("81.2.69.160") == Location("FR")


def test_the_binding_of_a_client_has_all_of_it(tmp_path: Path) -> None:
    clients = Clients(EnrichmentSettings(mmdb_file=written(tmp_path / "city.mmdb", {"81.2.69.0/24": CITY})))
    assert clients.binding("81.2.69.160", "curl/8.5.0") == {
        "ip": "81.2.69.160",
        "user_agent": {"raw": "curl/8.5.0", "browser": "curl 8", "os": None, "device": None},
        "location": BERLIN._asdict(),
    }
    assert clients.binding("10.0.0.1", None)["location"] is None
