"""The management API as its callers meet it: a running role on real stores, and two tenants with an admin key each."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row
from pydantic import SecretStr

from hookline.embedded.kafka import KafkaBroker
from hookline.embedded.postgres import PostgresServer
from infra import log
from infra.clickhouse import ClickHouse
from infra.log import get_logger
from infra.secretbox import create_master_key_file
from infra.settings import (
    AlertSettings,
    ClickHouseSettings,
    KafkaSettings,
    ManagementSettings,
    PostgresSettings,
    Settings,
)
from management.domain_events.repository import EventSession
from management.role import ManagementRole
from tests.support.analytics import make_topics
from tests.support.stack import new_database
from tests.support.wait import eventually

API = "/api/v1"
_READY_SECONDS_MAX = 60.0
_LOG_LEVEL = "warning"
_CHEAP_PASSWORDS = {"password_memory_kibibytes": 64, "password_iterations": 1}


@dataclass(frozen=True, slots=True)
class KnownTenant:
    """A tenant with a person who has the admin role, and a key of the installation's own that may do everything."""

    id: UUID
    slug: str
    admin_key: str = field(repr=False)
    admin_role_id: UUID
    admin_id: UUID
    admin_email: str

    @property
    def headers(self) -> dict[str, str]:
        """What shows the admin key."""
        return bearer(self.admin_key)


@dataclass(frozen=True, slots=True)
class ManagementBase:
    """`api` shows no key by itself. Rows are read and written as the database's owner, above row-level security."""

    dsn: str
    owner: psycopg.Connection[dict[str, Any]]
    settings: Settings
    api: httpx.Client
    tenant: KnownTenant
    other_tenant: KnownTenant

    def call(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **arguments: Any
    ) -> httpx.Response:
        """A request to `/api/v1{path}`, by the first tenant's admin key unless `headers` say otherwise."""
        return self.api.request(
            method, API + path, headers=self.tenant.headers if headers is None else headers, **arguments
        )

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """What a query finds."""
        return self.owner.execute(query.encode(), parameters).fetchall()

    def write(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it touched."""
        return self.owner.execute(statement.encode(), parameters).rowcount

    def new_key(self, *permissions: str, tenant: KnownTenant | None = None, user_id: UUID | None = None) -> str:
        """A key with these permissions; `"*"` stands for all."""
        return insert_key(self.owner, (tenant or self.tenant).id, permissions, user_id)


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {key}"}


def make_tenant(dsn: str, slug: str) -> KnownTenant:
    """A new tenant, its admin role, a person with it, and a key. The key's calls are as good as unlimited."""
    tenant_id, role_id, admin_id, email = uuid.uuid4(), uuid.uuid4(), uuid.uuid4(), f"admin@{slug}.example"
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "INSERT INTO tenants (id, slug, name, api_requests_per_minute) VALUES (%s, %s, %s, 100000)",
            (tenant_id, slug, slug.title()),
        )
        connection.execute(
            "INSERT INTO roles (tenant_id, id, name, is_admin) VALUES (%s, %s, 'admin', true)", (tenant_id, role_id)
        )
        connection.execute(
            "INSERT INTO users (tenant_id, id, email, username, full_name) VALUES (%s, %s, %s, 'admin', 'Ada Admin')",
            (tenant_id, admin_id, email),
        )
        connection.execute(
            "INSERT INTO user_roles (tenant_id, user_id, role_id) VALUES (%s, %s, %s)", (tenant_id, admin_id, role_id)
        )
        key = insert_key(connection, tenant_id, ["*"], None)
    return KnownTenant(tenant_id, slug, key, role_id, admin_id, email)


def insert_key(
    owner: psycopg.Connection[Any], tenant_id: UUID, permissions: Sequence[str], user_id: UUID | None
) -> str:
    """A new key of the tenant; `"*"` stands for all permissions."""
    key = "ixk_" + uuid.uuid4().hex + uuid.uuid4().hex
    owner.execute(
        "INSERT INTO api_keys (tenant_id, id, name, key_prefix, key_hash, permissions, user_id) "
        "VALUES (%s, %s, 'test', %s, %s, %s, %s)",
        (tenant_id, uuid.uuid4(), key[:8], hashlib.sha256(key.encode()).digest(), list(permissions), user_id),
    )
    return key


def management_settings(bootstrap: str, dsn: str, master_key_file: Path, **management: Any) -> Settings:
    """Settings of a role on any free port, which believes this machine's X-Forwarded-For and looks at no alert rule.

    A hash of a password costs next to nothing, which is for tests alone.
    """
    create_master_key_file(master_key_file)
    return Settings(
        kafka=KafkaSettings(bootstrap=bootstrap),
        postgres=PostgresSettings(dsn=SecretStr(dsn), pool_connections_max=10),
        clickhouse=ClickHouseSettings(path=Path("/unused")),
        master_key_file=master_key_file,
        alerts=AlertSettings(enabled=False),
        management=ManagementSettings.model_validate(
            {**_CHEAP_PASSWORDS, "port": 0, "trusted_proxies": ["127.0.0.1"], **management}
        ),
    )


def owner_of(dsn: str) -> psycopg.Connection[dict[str, Any]]:
    """A connection as the database's owner; every statement is a transaction of its own."""
    return psycopg.connect(dsn, autocommit=True, row_factory=dict_row)


@contextmanager
def running_management(settings: Settings, clickhouse: ClickHouse) -> Iterator[httpx.Client]:
    """A client of a role that is ready; it keeps cookies as a browser does."""
    log.configure(role="management", level=_LOG_LEVEL)
    role = ManagementRole(settings, clickhouse, [])
    role.start()
    try:
        eventually(lambda: role.health().ready, timeout_seconds=_READY_SECONDS_MAX, what="the management API is ready")
        with httpx.Client(base_url=f"http://127.0.0.1:{role.port}", trust_env=False, timeout=60) as client:
            yield client
    finally:
        role.stop(10)


@contextmanager
def events_kept(dsn: str) -> Iterator[None]:
    """Domain events stay in the outbox, where a test may look at them: the lead over them is taken, as by another
    management."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (EventSession.lock_key,))
        yield


@pytest.fixture
def whole_log(management_base: ManagementBase, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Gives, when called, all that was logged since the test began, whatever its level; never an empty text."""
    log.configure(role="management", level="debug")

    def read() -> str:
        get_logger(__name__).debug("log.read")
        text = "".join(capfd.readouterr())
        assert "log.read" in text, "what is logged does not get here"
        return text

    yield read
    log.configure(role="management", level=_LOG_LEVEL)


@pytest.fixture(scope="module")
def management_base(
    postgres: PostgresServer,
    migrated_template: str,
    kafka: KafkaBroker,
    clickhouse_engine: ClickHouse,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ManagementBase]:
    """A migrated database of this module's own, tenants `acme` and `globex`, and the role on it, which keeps events."""
    with new_database(postgres.dsn, template=migrated_template) as dsn:
        key_file = tmp_path_factory.mktemp("management") / "master.key"
        settings = management_settings(kafka.bootstrap, dsn, key_file)
        make_topics(settings)
        tenants = make_tenant(dsn, "acme"), make_tenant(dsn, "globex")
        with (
            events_kept(dsn),
            owner_of(dsn) as owner,
            running_management(settings, clickhouse_engine) as api,
        ):
            yield ManagementBase(dsn, owner, settings, api, *tenants)
