"""Which headers and query parameters of a request are kept. What may prove or open something is not."""

import re
from collections.abc import Mapping

STORED_BYTES_MAX = 16_384
_NAMES_CACHED_MAX = 256
_NEVER = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"})
_SECRET = re.compile(
    r"token|secret|passw|passphrase|credential|signature|hmac|cookie|session|authorization|apikey|jwt"
    r"|(?:^|[-_.])(?:key|keys|auth|sig|pwd|pin|otp)(?:$|[-_.])"
)


def is_secret_name(name: str) -> bool:
    """Whether a header or parameter of this name (any case) may hold a secret."""
    lower = name.lower()
    return lower in _NEVER or _SECRET.search(lower) is not None


class StoredHeaders:
    """Picks what is stored of one webhook's headers; verdicts on names are remembered (a bounded set)."""

    __slots__ = ("_dropped", "_kept")

    def __init__(self, *proof_headers: str) -> None:
        self._dropped = frozenset(name.lower() for name in proof_headers)
        self._kept: dict[str, bool] = {}

    def pick(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Kept headers by lower-case name, up to STORED_BYTES_MAX bytes of names and values."""
        kept, picked, size = self._kept, {}, 0
        for name, value in headers.items():
            keep = kept.get(name)
            if keep is None:
                keep = self._learn(name)
            if keep:
                size += len(name) + len(value)
                if size > STORED_BYTES_MAX:
                    break
                picked[name] = value
        return picked

    def _learn(self, name: str) -> bool:
        keep = name not in self._dropped and not is_secret_name(name)
        if len(self._kept) < _NAMES_CACHED_MAX:
            self._kept[name] = keep
        return keep


def pick_query(query: Mapping[str, str]) -> dict[str, str]:
    """Kept query parameters."""
    return {name: value for name, value in query.items() if not is_secret_name(name)}
