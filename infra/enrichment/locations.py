"""Where an address is, from an MMDB file that the operator names; without one nobody has a location."""

import struct
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb

from infra.errors import SettingsError
from infra.log import get_logger

_LOOK_SECONDS = 10.0
_CACHED_MAX = 16_384
_ASN_MAX = 2**32 - 1
#: What the reader of maxminddb raises for a file that is missing, no database, or broken inside.
_UNREADABLE = (OSError, ValueError, TypeError, LookupError, struct.error, maxminddb.InvalidDatabaseError)
_log = get_logger(__name__)


class Location(NamedTuple):
    """What the file says of an address; None for what it does not. `country_code` is ISO 3166-1 alpha-2."""

    country_code: str | None = None
    country: str | None = None
    region: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    time_zone: str | None = None
    asn: int | None = None
    organisation: str | None = None


Find = Callable[[str], Location | None]


class Locations:
    """Looks addresses up in one file, which may be replaced while it is used. Safe to share between threads.

    Raises SettingsError where the file cannot be used at the start. One that is broken later leaves the last good one.
    """

    def __init__(self, mmdb_file: Path | None) -> None:
        self._file = mmdb_file
        self._stamp: tuple[int, int] | None = None
        self._looked_at = time.monotonic()
        self._find: Find = nowhere
        if mmdb_file is not None:
            try:
                self._open(mmdb_file)
            except _UNREADABLE as error:
                raise SettingsError(f"HOOKLINE_ENRICHMENT__MMDB_FILE: {mmdb_file} cannot be used: {error}") from error

    def find(self, address: str) -> Location | None:
        """The location of an address in the open; None for a private one, and for one the file does not know."""
        if self._file is not None and time.monotonic() - self._looked_at >= _LOOK_SECONDS:
            self._look_again(self._file)
        return self._find(address)

    def _open(self, path: Path) -> None:
        status = path.stat()
        reader = maxminddb.open_database(path, maxminddb.MODE_MEMORY)
        self._stamp = (status.st_mtime_ns, status.st_ino)
        self._find = lru_cache(maxsize=_CACHED_MAX)(lambda address: look_up(reader.get, address))

    def _look_again(self, path: Path) -> None:
        self._looked_at = time.monotonic()
        try:
            status = path.stat()
            if (status.st_mtime_ns, status.st_ino) != self._stamp:
                self._open(path)
                _log.info("locations.replaced", file=str(path))
        except _UNREADABLE as error:
            _log.warning("locations.kept", file=str(path), reason=str(error))


def nowhere(_: str) -> Location | None:
    """No address has a location."""
    return None


def look_up(get: Callable[[str], Any], address: str) -> Location | None:
    """The location a file gives for an address, whichever of the usual shapes its records have."""
    try:
        if not ip_address(address).is_global:
            return None
        record = get(address)
    except _UNREADABLE:
        return None
    if not isinstance(record, Mapping):
        return None
    location = _nested(record) if isinstance(record.get("country"), Mapping) else _flat(record)
    return location if any(value is not None for value in location) else None


def _nested(record: Mapping[str, Any]) -> Location:
    """MaxMind's City, Country and Enterprise, and DB-IP's in that form."""
    country, place = _part(record, "country"), _part(record, "location")
    regions = record.get("subdivisions")
    region = regions[0] if isinstance(regions, list) and regions and isinstance(regions[0], Mapping) else {}
    return Location(
        _text(country.get("iso_code")),
        _name(country),
        _name(region),
        _name(_part(record, "city")),
        _number(place.get("latitude")),
        _number(place.get("longitude")),
        _text(place.get("time_zone")),
        *_network(_part(record, "traits") or record),
    )


def _flat(record: Mapping[str, Any]) -> Location:
    """ASN files, and those whose records are one level of text (IPinfo)."""
    return Location(
        _text(record.get("country_code") or record.get("country")),
        _text(record.get("country_name")),
        _text(record.get("region")),
        _text(record.get("city")),
        _number(record.get("latitude") or record.get("lat")),
        _number(record.get("longitude") or record.get("lng")),
        _text(record.get("timezone") or record.get("time_zone")),
        *_network(record),
    )


def _network(record: Mapping[str, Any]) -> tuple[int | None, str | None]:
    number = record.get("autonomous_system_number") or record.get("asn")
    if isinstance(number, str):
        digits = number.upper().removeprefix("AS")
        number = int(digits) if digits.isdecimal() and len(digits) <= 10 else None
    is_number = type(number) is int and 0 <= number <= _ASN_MAX
    name = record.get("autonomous_system_organization") or record.get("as_name") or record.get("name")
    return number if is_number else None, _text(name)


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = record.get(name)
    return part if isinstance(part, Mapping) else {}


def _name(part: Mapping[str, Any]) -> str | None:
    return _text(_part(part, "names").get("en"))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
