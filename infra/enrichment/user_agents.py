"""The header User-Agent in words: browser, system and device, by the patterns of uap-core (ua-parser)."""

from functools import cache, lru_cache
from typing import NamedTuple

from ua_parser import OS, Parser
from ua_parser import UserAgent as Browser
from ua_parser.loaders import load_builtins
from ua_parser.re2 import Resolver

#: The rest of a longer one is not read.
LENGTH_MAX = 512
_CACHED_MAX = 4_096


class UserAgent(NamedTuple):
    """As `Chrome 120`, `Windows 10`, `Apple iPhone`; None for what cannot be told."""

    browser: str | None
    os: str | None
    device: str | None


NOBODY = UserAgent(None, None, None)


def parse_user_agent(text: str | None) -> UserAgent:
    """Read a header. Linear in its length; the same header is read once."""
    return _parse(text[:LENGTH_MAX]) if text else NOBODY


@lru_cache(maxsize=_CACHED_MAX)
def _parse(text: str) -> UserAgent:
    found = _parser().parse(text)
    device = found.device
    named = None if device is None else " ".join(part for part in (device.brand, device.model) if part) or device.family
    return UserAgent(_with_version(found.user_agent), _with_version(found.os), named)


def _with_version(found: Browser | OS | None) -> str | None:
    if found is None:
        return None
    return f"{found.family} {found.major}" if found.major else found.family


@cache
def _parser() -> Parser:
    """Some 0.4 s and 20 MB, taken when the first header is read."""
    return Parser(Resolver(load_builtins()))
