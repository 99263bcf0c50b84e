"""People of the management API's tests: users with passwords and roles, and browsers in which they are signed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any
from uuid import UUID, uuid4

import httpx

from management.passwords import Passwords
from tests.support.management import API, KnownTenant, ManagementBase

PASSWORD = "correct horse battery staple"


class Browser:
    """Keeps cookies and sends the CSRF token, as a page of the console does. `address` is where it seems to be."""

    def __init__(self, base: ManagementBase, address: str | None = None) -> None:
        self.address = address or str(ip_address(f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"))
        self.csrf_token = ""
        self.client = httpx.Client(base_url=str(base.api.base_url), trust_env=False, timeout=60)

    def call(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **arguments: Any
    ) -> httpx.Response:
        """A request with this browser's cookies; `headers` add to its own, or replace them."""
        own = {"X-Forwarded-For": self.address, "X-CSRF-Token": self.csrf_token}
        sent = [(name.encode(), value.encode("latin-1")) for name, value in {**own, **(headers or {})}.items()]
        return self.client.request(method, API + path, headers=sent, **arguments)

    def sign_in(self, tenant: str, email: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        """Try to sign in; the answer."""
        body = {"tenant": tenant, "email": email, "password": password}
        answer = self.call("POST", "/sessions", json=body, headers=headers)
        if answer.status_code == 201:
            self.csrf_token = answer.json()["csrf_token"]
        return answer

    @property
    def session_cookie(self) -> str:
        return self.client.cookies["hookline_session"]


@contextmanager
def new_browser(base: ManagementBase, address: str | None = None) -> Iterator[Browser]:
    """A browser that nobody knows, at an address of its own."""
    browser = Browser(base, address)
    with browser.client:
        yield browser


@contextmanager
def signed_in(base: ManagementBase, email: str, tenant: KnownTenant | None = None) -> Iterator[Browser]:
    """A browser in which somebody is signed in with PASSWORD."""
    with new_browser(base) as browser:
        answer = browser.sign_in((tenant or base.tenant).slug, email)
        assert answer.status_code == 201, answer.text
        yield browser


def give_password(base: ManagementBase, email: str, password: str = PASSWORD) -> None:
    """Let everybody of this e-mail address, in whatever tenant, sign in."""
    hashed = Passwords(base.settings.management).hash(password)
    assert base.write("UPDATE users SET password_hash = %s WHERE email = %s", (hashed, email)) == 1


def make_role(base: ManagementBase, *permissions: str, tenant: KnownTenant | None = None) -> UUID:
    """A role with these permissions."""
    role_id = uuid4()
    base.write(
        "INSERT INTO roles (tenant_id, id, name, permissions) VALUES (%s, %s, %s, %s)",
        ((tenant or base.tenant).id, role_id, f"role {role_id.hex}", list(permissions)),
    )
    return role_id


def make_person(base: ManagementBase, *role_ids: UUID, tenant: KnownTenant | None = None) -> tuple[UUID, str]:
    """An active user with these roles and PASSWORD: id and e-mail address."""
    user_id = uuid4()
    email = f"{user_id.hex[:12]}@{(tenant or base.tenant).slug}.example"
    tenant_id = (tenant or base.tenant).id
    base.write(
        "INSERT INTO users (tenant_id, id, email, username, full_name) VALUES (%s, %s, %s, %s, 'Pat Person')",
        (tenant_id, user_id, email, user_id.hex[:12]),
    )
    for role_id in role_ids:
        base.write(
            "INSERT INTO user_roles (tenant_id, user_id, role_id) VALUES (%s, %s, %s)", (tenant_id, user_id, role_id)
        )
    give_password(base, email)
    return user_id, email


def without_chance(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """An answer without what differs by chance: status, body, headers."""
    kept = {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}
    return answer.status_code, answer.content, kept
