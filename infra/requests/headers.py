"""Which headers and query parameters of a request are kept. What may prove or open something is not."""

import re
from collections.abc import Mapping

from schemas.webhooks import ApiKeyAuth, AuthConfig, HmacAuth, PathTokenAuth

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


def proof_headers(auth: AuthConfig) -> tuple[str, ...]:
    """Headers that hold a webhook's proof, whatever their names look like."""
    if isinstance(auth, HmacAuth):
        return (auth.signature_header,)
    return (auth.header,) if isinstance(auth, ApiKeyAuth) else ()


def proof_parameters(auth: AuthConfig) -> tuple[str, ...]:
    """Query parameters that hold a webhook's proof, whatever their names look like."""
    return (auth.query_param,) if isinstance(auth, PathTokenAuth) else ()


class _Verdicts(dict[str, bool]):
    """Whether a header of this name is kept, worked out once per name, for a bounded set of names."""

    def __init__(self, dropped: frozenset[str]) -> None:
        super().__init__()
        self._dropped = dropped

    def __missing__(self, name: str) -> bool:
        keep = name not in self._dropped and not is_secret_name(name)
        if len(self) < _NAMES_CACHED_MAX:
            self[name] = keep
        return keep


class StoredHeaders:
    """Picks what is stored of one webhook's headers; `proof_headers` are never."""

    __slots__ = ("_verdicts",)

    def __init__(self, *proof_headers: str) -> None:
        self._verdicts = _Verdicts(frozenset(name.lower() for name in proof_headers))

    def pick(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Kept headers by lower-case name, up to STORED_BYTES_MAX characters of names and values."""
        verdicts = self._verdicts
        picked = {name: value for name, value in headers.items() if verdicts[name]}
        if sum(map(len, picked)) + sum(map(len, picked.values())) > STORED_BYTES_MAX:
            return _cut(picked)
        return picked


def _cut(picked: dict[str, str]) -> dict[str, str]:
    left, fitting = STORED_BYTES_MAX, {}
    for name, value in picked.items():
        left -= len(name) + len(value)
        if left < 0:
            break
        fitting[name] = value
    return fitting


def pick_query(query: Mapping[str, str], *proof_parameters: str) -> dict[str, str]:
    """Kept query parameters; `proof_parameters` are never."""
    return {name: value for name, value in query.items() if name not in proof_parameters and not is_secret_name(name)}
