"""The management API as the command calls it: the address and key of a stack, or of HOOKLINE_API_URL and _KEY."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from hookline.errors import NotReadyError, UsageError, WorkFailedError
from hookline.ready_file import read_ready_file

WEBHOOKS = "/inbound-webhooks"
PRESETS = f"{WEBHOOKS}/presets"
_PREFIX = "/api/v1"
_CONNECT_SECONDS_MAX = 10.0
# A test of a webhook answers with its outcome, for which it may wait a minute.
_ANSWER_SECONDS_MAX = 75.0
_RATE_LIMIT_WAITS_MAX = 3
_RATE_LIMIT_WAIT_SECONDS_MAX = 65.0
_PER_PAGE = 100
Json = dict[str, Any]


class ApiAddress(BaseSettings):
    """`HOOKLINE_API_URL` (without /api/v1) and `HOOKLINE_API_KEY`."""

    model_config = SettingsConfigDict(env_prefix="HOOKLINE_API_", extra="ignore")

    url: str | None = Field(default=None)
    key: SecretStr | None = Field(default=None)


class ManagementClient:
    """Calls for one tenant, the key's. Use it as a context manager; not safe to share between threads.

    Raises WorkFailedError with every problem the API names, NotReadyError when it does not answer or a store of it is
    away. A 429 is waited out, within a bound.
    """

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.Client(
            base_url=url.rstrip("/") + _PREFIX,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(_ANSWER_SECONDS_MAX, connect=_CONNECT_SECONDS_MAX),
            trust_env=False,
        )

    def __enter__(self) -> "ManagementClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        parameters: Mapping[str, str | int] | None = None,
        if_match: str | None = None,
    ) -> Any:
        """What one call answers; None where that is empty."""
        headers = {} if if_match is None else {"If-Match": if_match}
        answer = self._send(method, path, body, parameters, headers)
        for _ in range(_RATE_LIMIT_WAITS_MAX):
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            time.sleep(min(float(answer.headers.get("Retry-After", "1")), _RATE_LIMIT_WAIT_SECONDS_MAX))
            answer = self._send(method, path, body, parameters, headers)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise NotReadyError(_words(answer))
        if not answer.is_success:
            raise WorkFailedError(_words(answer))
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise WorkFailedError(f"{answer.url} answers without JSON: is the management API there?") from error

    def pages(self, path: str, **parameters: str | int) -> Iterator[Json]:
        """Every item of a list."""
        page = 1
        while True:
            found = self.call("GET", path, parameters={**parameters, "page": page, "per_page": _PER_PAGE})
            yield from found["data"]
            if page * _PER_PAGE >= found["meta"]["total"]:
                return
            page += 1

    def _send(
        self,
        method: str,
        path: str,
        body: object,
        parameters: Mapping[str, str | int] | None,
        headers: Mapping[str, str],
    ) -> httpx.Response:
        try:
            return self._client.request(method, path, json=body, params=parameters, headers=headers)
        except httpx.TransportError as error:
            raise NotReadyError(f"the management API at {self._client.base_url} does not answer: {error}") from error


def open_client(data_dir: Path) -> ManagementClient:
    """For what the environment names, else for the stack that runs on the data folder. Raises NotRunningError."""
    address = ApiAddress()
    if address.url is not None or address.key is not None:
        if address.url is None or address.key is None:
            raise UsageError("HOOKLINE_API_URL and HOOKLINE_API_KEY belong together: set both or neither")
        return ManagementClient(_checked_url(address.url), _checked_key(address.key.get_secret_value()))
    ready = read_ready_file(data_dir)
    return ManagementClient(ready.management_url, ready.admin_api_key)


def _checked_url(url: str) -> str:
    try:
        usable = urlsplit(url).scheme in ("http", "https") and bool(httpx.URL(url).host)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise UsageError("HOOKLINE_API_URL must begin with http:// or https:// and name a host")
    return url


def _checked_key(key: str) -> str:
    """Words of an HTTP library about a header show the header, so this is looked at before."""
    if not key.isascii() or not key.isprintable() or " " in key or not key:
        raise UsageError("HOOKLINE_API_KEY is no API key: it has blanks, line ends or other characters")
    return key


def _words(answer: httpx.Response) -> str:
    """The API's own words, one problem per line."""
    try:
        error = answer.json()["error"]
        details = [f"  {detail['path'] or 'the body'}: {detail['message']}" for detail in error["details"]]
        return "\n".join([f"{error['message']} ({answer.status_code})", *details])
    except (ValueError, KeyError, TypeError):
        return f"the management API answered {answer.status_code}"
