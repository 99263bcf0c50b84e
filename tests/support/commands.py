"""Command lines run in this process against a running management API."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from hookline.cli import app
from tests.support.management import ManagementBase
from tests.support.webhooks import WEBHOOKS, get_webhook

Command = Callable[..., "Ran"]
_LOGGED = '"role": "management", "level": '


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ended."""

    code: int
    output: str
    error: str

    @property
    def json(self) -> Any:
        """Its output."""
        return json.loads(self.output)


def run(*arguments: object, given: str | None = None) -> Ran:
    """Run a command line; `given` is typed in. What it raises other than an exit fails the test."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, _said(result.stderr))


def _said(error: str) -> str:
    """Without what the API, which runs in this process, logs meanwhile."""
    return "".join(line for line in error.splitlines(keepends=True) if _LOGGED not in line)


def find(base: ManagementBase, slug: str) -> dict[str, Any]:
    """The webhook as the API shows it."""
    [listed] = base.call("GET", WEBHOOKS, params={"slug": slug}).json()["data"]
    return get_webhook(base, listed["id"])


@pytest.fixture
def command(management_base: ManagementBase, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`run`, by the first tenant's admin key."""
    monkeypatch.setenv("HOOKLINE_API_URL", str(management_base.api.base_url))
    monkeypatch.setenv("HOOKLINE_API_KEY", management_base.tenant.admin_key)
    return run
