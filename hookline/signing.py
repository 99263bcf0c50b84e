"""A request as its sender would make it: the exact bytes with their signature, over a connection that is kept."""

import base64
import hmac
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

from hookline.errors import NotRunningError, UsageError
from infra.webhooks import Webhook
from schemas.webhooks import HmacAuth

_ANSWER_SECONDS_MAX = 20.0
_ENCODINGS: Mapping[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda digest: base64.b64encode(digest).decode(),
    "base64url": lambda digest: base64.urlsafe_b64encode(digest).decode(),
}


class Answer(NamedTuple):
    """`delivery_id` is None where the answer names none."""

    status: int
    delivery_id: str | None


def sign(webhook: Webhook, body: bytes) -> dict[str, str]:
    """The headers that prove `body` to this webhook.

    Raises UsageError where the proof is no signature, or where more than the body is signed.
    """
    auth = webhook.config.auth_config
    if not isinstance(auth, HmacAuth):
        raise UsageError(f"webhook {webhook.slug} takes no signature ({auth.type}), and `send` only signs")
    if auth.signed_payload != "{body}" or auth.timestamp_header is not None:
        raise UsageError(f"webhook {webhook.slug} signs more than the body, which `send` cannot do")
    digest = hmac.digest(webhook.secrets[0].value, body, auth.algorithm)
    return {auth.signature_header: (auth.prefix or "") + _ENCODINGS[auth.encoding](digest)}


class Sender:
    """Sends to one URL over one kept connection. Not safe to share between threads."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._url = url
        self._path = address.path
        self._connection = HTTPConnection(address.hostname or "", address.port, timeout=_ANSWER_SECONDS_MAX)

    def send(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST `body` and read the answer. Raises NotRunningError when there is none."""
        try:
            self._connection.request("POST", self._path, body, {"Content-Type": "application/json", **headers})
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise NotRunningError(f"{self._url} does not answer: {error}") from error
        return Answer(response.status, response.headers.get("X-Delivery-Id") or _delivery_id_in(content))

    def close(self) -> None:
        self._connection.close()


def curl_line(url: str, body: bytes, headers: Mapping[str, str]) -> str:
    """A line to paste into a shell. `body` is JSON text; quotes in it are taken care of."""
    options = "".join(
        f" -H '{name}: {value}'" for name, value in {"Content-Type": "application/json", **headers}.items()
    )
    text = body.decode().replace("'", "'\\''")
    return f"curl -sS -i {url}{options} --data-binary '{text}'"


def _delivery_id_in(content: bytes) -> str | None:
    try:
        members = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    found = members.get("delivery_id") if isinstance(members, dict) else None
    return str(found) if found else None
