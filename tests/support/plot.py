"""A stack in which secrets are planted: what is said to it, and every answer it gives, kept for the search."""

from __future__ import annotations

import base64
import hmac
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.planted import Secret, plant
from tests.support.running_stack import RunningStack

ROOT = Path(__file__).resolve().parents[2]
#: Schemes with a secret: the member that holds it, and what else their configuration needs.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "hmac_sha256": ("secret", {"signature_header": "X-Signature"}),
    "bearer": ("token", {}),
    "basic": ("password", {"username": "sender"}),
    "api_key": ("key", {"header": "X-Sender"}),
    "path_token": ("token", {"query_param": "t"}),
}


@dataclass
class Hook:
    """A webhook with its planted secret, as its sender knows it."""

    id: str
    slug: str
    kind: str
    secret: Secret

    def prove(self, body: bytes, value: str | None = None) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and query of a request; `value` in the place of the secret."""
        secret = self.secret.text if value is None else value
        basic = base64.b64encode(f"sender:{secret}".encode()).decode()
        headers = {
            "hmac_sha256": {"X-Signature": hmac.digest(secret.encode(), body, "sha256").hex()},
            "bearer": {"Authorization": f"Bearer {secret}"},
            "basic": {"Authorization": f"Basic {basic}"},
            "api_key": {"X-Sender": secret},
            "path_token": {},
        }[self.kind]
        return headers, {"t": secret} if self.kind == "path_token" else {}


@dataclass
class Plot:
    """The stack, what was planted in it, and every answer it gave with the secrets that it may show once."""

    stack: RunningStack
    planted: list[Secret] = field(default_factory=list)
    answers: list[tuple[str, bytes, frozenset[str]]] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)

    def plant(self, name: str) -> Secret:
        """A secret of our own choice."""
        secret = plant(name)
        self.planted.append(secret)
        return secret

    def learn(self, name: str, value: str | bytes) -> Secret:
        """A secret that the system made."""
        secret = Secret(name, value.encode() if isinstance(value, str) else value)
        self.planted.append(secret)
        return secret

    def keep(self, answer: httpx.Response, *shown: str) -> httpx.Response:
        """Keep an answer for the search. `shown`: names of secrets it shows on purpose."""
        head = f"{answer.request.method} {answer.request.url.path} {answer.status_code}"
        headers = b"\n".join(name + b": " + value for name, value in answer.headers.raw)
        self.answers.append((head, headers + b"\n" + answer.content, frozenset(shown)))
        return answer

    def call(self, method: str, path: str, *shown: str, client: httpx.Client, **arguments: Any) -> httpx.Response:
        return self.keep(client.request(method, path, **arguments), *shown)

    def send(self, slug: str, body: bytes, headers: dict[str, str], query: dict[str, str]) -> int:
        """A request to the receiver; the status."""
        ready = self.stack.ready
        url = f"{ready.ingress_url}/api/inbound/{ready.tenant_slug}/{slug}"
        answer = httpx.post(url, content=body, headers=headers, params=query or None, trust_env=False, timeout=20)
        return self.keep(answer).status_code

    def hookline(self, *arguments: str) -> None:
        """A command on the stack; what it prints is searched too."""
        command = [sys.executable, "-m", "hookline", *arguments, "--data-dir", str(self.stack.data_dir)]
        done = subprocess.run(command, capture_output=True, timeout=120, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr.decode()
        self.answers.append((" ".join(arguments), done.stdout + done.stderr, frozenset()))
