"""What a verifier is given and what it answers: None, or the reason of a rejection."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

NO_PROOF = "rejected_no_auth"
BAD_SIGNATURE = "rejected_signature"
BAD_TIMESTAMP = "rejected_timestamp"
#: A token, key or password that is wrong.
BAD_TOKEN = "rejected_bearer"  # noqa: S105  # a reason, not a token
BAD_ADDRESS = "rejected_ip"


class SignedRequest(NamedTuple):
    """What a proof may cover. Header names are lower-case; `body` is the exact bytes; `path` has no query.

    `query` is the raw text after the question mark; `source_ip` the sender's address, proxies seen through. `base_url`
    is the scheme and host senders reach us under, where the proof covers the URL (`verify.signs_url`).
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str
    base_url: str = ""


class Secret(NamedTuple):
    """A secret in the clear; after `valid_until_us` (None: no end) it proves nothing."""

    value: bytes
    valid_until_us: int | None


Verify = Callable[[SignedRequest, int], str | None]
