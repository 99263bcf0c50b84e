"""A request as its sender would make it: the exact bytes with their signature, over a connection that is kept."""

from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

from hookline.errors import NotRunningError
from hookline.proving import CONTENT_TYPE, Occasion, prove
from infra.webhooks import Webhook

_ANSWER_SECONDS_MAX = 20.0


class Answer(NamedTuple):
    """`delivery_id` is None where the answer names none."""

    status: int
    delivery_id: str | None


def sign(webhook: Webhook, body: bytes) -> dict[str, str]:
    """The headers that prove `body` to a webhook whose proof is a signature over it, as the demo's is."""
    return prove(webhook, body, Occasion.now("", ""), {}).headers


class Sender:
    """Sends to one URL over one kept connection. Not safe to share between threads."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._url = url
        self._path = address.path
        self._connection = HTTPConnection(address.hostname or "", address.port, timeout=_ANSWER_SECONDS_MAX)

    def send(self, body: bytes, headers: Mapping[str, str], query: str = "") -> Answer:
        """POST `body` and read the answer; `query` is raw. Raises NotRunningError when there is none."""
        target = f"{self._path}?{query}" if query else self._path
        try:
            self._connection.request("POST", target, body, {"Content-Type": CONTENT_TYPE, **headers})
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
    options = "".join(f" -H '{name}: {value}'" for name, value in {"Content-Type": CONTENT_TYPE, **headers}.items())
    text = body.decode().replace("'", "'\\''")
    return f"curl -sS -i {url}{options} --data-binary '{text}'"


def _delivery_id_in(content: bytes) -> str | None:
    try:
        members = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    found = members.get("delivery_id") if isinstance(members, dict) else None
    return str(found) if found else None
