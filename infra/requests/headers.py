"""Which headers and query parameters of a request are kept. What may prove or open something is not."""

import re
from collections.abc import Mapping, Sequence

from infra.proofs.verify import Presets, fields_of, proof_of
from schemas.presets import Proof, SignatureProof, TokenProof
from schemas.webhooks import ApiKeyAuth, AuthConfig, HmacAuth, PathTokenAuth

STORED_BYTES_MAX = 16_384
_NAMES_CACHED_MAX = 256
_NEVER = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"})
#: Proxies write the whole URL here, with a query that may hold a token.
_WHOLE_URLS = frozenset(
    {
        *("x-original-url", "x-original-uri", "x-original-request-uri", "x-envoy-original-path", "x-forwarded-uri"),
        *("x-forwarded-url", "x-request-uri", "x-request-url", "x-rewrite-url", "x-waws-unencoded-url"),
    }
)
#: Headers that hold no sender's proof, whatever the webhook.
_HARMLESS = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "cache-control", "connection", "content-encoding"),
        *("content-length", "content-type", "date", "expect", "forwarded", "host", "traceparent", "tracestate"),
        *("transfer-encoding", "user-agent", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
        *("x-real-ip", "x-request-id"),
    }
)
_SECRET = re.compile(
    r"token|secret|passw|passphrase|credential|signature|hmac|cookie|session|authorization|apikey|jwt"
    r"|(?:^|[-_.])(?:key|keys|auth|sig|pwd|pin|otp)(?:$|[-_.])"
)


def is_secret_name(name: str) -> bool:
    """Whether a header or parameter of this name (any case) may hold a secret."""
    lower = name.lower()
    return lower in _NEVER or _SECRET.search(lower) is not None


def proof_headers(auth: AuthConfig, presets: Presets) -> tuple[str, ...]:
    """Headers that hold a webhook's proof, whatever their names look like. Raises UnknownPresetError."""
    if isinstance(auth, HmacAuth):
        return (auth.signature_header,)
    if isinstance(auth, ApiKeyAuth):
        return (auth.header,)
    proof = proof_of(auth, presets)
    if isinstance(proof, SignatureProof):
        return (proof.header,)
    name = _token_name(proof, auth, presets, "header")
    return () if name is None else (name,)


def proof_parameters(auth: AuthConfig, presets: Presets) -> tuple[str, ...]:
    """Query parameters that hold a webhook's proof, whatever their names look like. Raises UnknownPresetError."""
    if isinstance(auth, PathTokenAuth):
        return (auth.query_param,)
    name = _token_name(proof_of(auth, presets), auth, presets, "query")
    return () if name is None else (name,)


def proof_body_path(auth: AuthConfig, presets: Presets) -> str | None:
    """The JSON path in the body that holds a webhook's proof; None where it stands elsewhere."""
    return _token_name(proof_of(auth, presets), auth, presets, "body")


def _token_name(proof: Proof | None, auth: AuthConfig, presets: Presets, place: str) -> str | None:
    """The name a preset's token goes by, if it stands at `place`."""
    if not isinstance(proof, TokenProof) or proof.place != place:
        return None
    return proof.name if proof.name_field is None else fields_of(auth, presets).get(proof.name_field)


class _Verdicts(dict[str, bool]):
    """Whether a header of this name is kept, worked out once per name, for a bounded set of names."""

    def __init__(self, dropped: frozenset[str], only: frozenset[str] | None) -> None:
        super().__init__()
        self._dropped = dropped
        self._only = only

    def __missing__(self, name: str) -> bool:
        keep = name not in self._dropped and name not in _WHOLE_URLS and not is_secret_name(name)
        keep = keep and (self._only is None or name in self._only)
        if len(self) < _NAMES_CACHED_MAX:
            self[name] = keep
        return keep


class StoredHeaders:
    """Picks what is stored of the headers and the query of one webhook's requests.

    `proof_headers` and `proof_parameters` are never, nor is a header that repeats such a parameter. `only`: no header
    but these, by lower-case name.
    """

    __slots__ = ("_marks", "_proof_parameters", "_verdicts")

    def __init__(
        self, *proof_headers: str, proof_parameters: Sequence[str] = (), only: frozenset[str] | None = None
    ) -> None:
        self._verdicts = _Verdicts(frozenset(name.lower() for name in proof_headers), only)
        self._proof_parameters = tuple(proof_parameters)
        self._marks = [f"{name}=" for name in proof_parameters]

    def pick(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Kept headers by lower-case name, up to STORED_BYTES_MAX characters of names and values."""
        verdicts = self._verdicts
        picked = {name: value for name, value in headers.items() if verdicts[name]}
        for mark in self._marks:
            picked = {name: value for name, value in picked.items() if mark not in value}
        if sum(map(len, picked)) + sum(map(len, picked.values())) > STORED_BYTES_MAX:
            return _cut(picked)
        return picked

    def pick_query(self, query: Mapping[str, str]) -> dict[str, str]:
        """Kept query parameters."""
        return pick_query(query, *self._proof_parameters)


def stored_of(auth: AuthConfig, presets: Presets) -> StoredHeaders:
    """What is stored of the requests of a webhook with this proof. Raises UnknownPresetError."""
    return StoredHeaders(*proof_headers(auth, presets), proof_parameters=proof_parameters(auth, presets))


#: A sender that missed its webhook, after a new slug for example, shows its proof in a header nobody knows of.
STORED_OF_NOBODY = StoredHeaders(only=_HARMLESS)


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
