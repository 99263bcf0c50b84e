"""Asking processes over HTTP whether they are ready, and for what reason not."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from hookline.errors import NotReadyError

_ANSWER_SECONDS_MAX = 5.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Readiness:
    """`reasons` is empty exactly when `ready`. `content` is the answer's JSON; empty when there was none."""

    ready: bool
    reasons: tuple[str, ...]
    content: Mapping[str, Any]


def loopback_client(answer_seconds_max: float = _ANSWER_SECONDS_MAX) -> httpx.Client:
    """A client that goes straight to this machine: no proxy of the environment, no .netrc."""
    return httpx.Client(timeout=answer_seconds_max, trust_env=False)


def ask_ready(client: httpx.Client, url: str) -> Readiness:
    """What the process behind `url` (its /readyz or /status) says of itself."""
    try:
        answer = client.get(url)
        content = answer.json()
    except httpx.TransportError as error:
        return Readiness(False, (f"no answer ({type(error).__name__})",), {})
    except ValueError:
        return Readiness(False, (f"{url} does not answer as Hookline does",), {})
    if answer.status_code == httpx.codes.OK:
        return Readiness(True, (), content)
    return Readiness(False, tuple(reasons_in(content)) or (f"status {answer.status_code}",), content)


def reasons_in(content: Mapping[str, Any]) -> list[str]:
    """Every reason in an answer of /readyz or /status, named by its part where it has one."""
    reasons = [str(reason) for reason in content.get("reasons", ())]
    for part in content.get("parts", ()):
        reasons += [f"{part['name']}: {reason}" for reason in part["reasons"]]
    for group in content.get("groups", ()):
        reasons += [f"group {group['group_id']}: {reason}" for reason in group["reasons"]]
    return reasons


def await_ready(urls: Mapping[str, str], *, timeout_seconds: float, check_alive: Callable[[], None]) -> None:
    """Return when every URL has answered "ready". `check_alive` is called between tries and may raise.

    Raises NotReadyError naming what is not ready and why.
    """
    deadline = time.monotonic() + timeout_seconds
    waiting = dict(urls)
    last: dict[str, Readiness] = {}
    with loopback_client() as client:
        while True:
            check_alive()
            last = {name: ask_ready(client, url) for name, url in waiting.items()}
            waiting = {name: url for name, url in waiting.items() if not last[name].ready}
            if not waiting:
                return
            if time.monotonic() >= deadline:
                break
            time.sleep(_POLL_SECONDS)
    lines = [f"{name}: {', '.join(last[name].reasons)}" for name in waiting]
    raise NotReadyError(f"not ready within {timeout_seconds:.0f} s\n  " + "\n  ".join(lines))


def await_webhooks(url: str, *, timeout_seconds: float, check_alive: Callable[[], None]) -> None:
    """Return when every process behind `url`, a receiver's /readyz, knows a webhook. Raises NotReadyError."""
    deadline = time.monotonic() + timeout_seconds
    with loopback_client() as client:
        while True:
            check_alive()
            parts = ask_ready(client, url).content.get("parts", ())
            if parts and all(part["details"].get("webhooks", 0) for part in parts):
                return
            if time.monotonic() >= deadline:
                raise NotReadyError(f"the receiver knew no webhook within {timeout_seconds:.0f} s")
            time.sleep(_POLL_SECONDS)
