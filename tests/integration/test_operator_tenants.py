"""`hookline tenants` and `hookline users` on a real database, and what the API makes of what they did."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner, Result

from hookline.cli import app
from hookline.embedded.postgres import PostgresServer
from hookline.errors import ExitCode
from hookline.seed import seed_demo
from hookline.tenants import (
    TenantChange,
    change_tenant,
    create_tenant,
    ensure_admin_password,
    list_tenants,
    reset_password,
)
from infra.migrations import migrate
from infra.settings import ManagementSettings
from tests.support.management import ManagementBase, make_tenant
from tests.support.people import make_person, new_browser, signed_in
from tests.support.stack import new_database

CHEAP = ManagementSettings(password_memory_kibibytes=64, password_iterations=1)


@pytest.fixture
def operator(management_base: ManagementBase, monkeypatch: pytest.MonkeyPatch) -> ManagementBase:
    """The environment of somebody who runs commands on the database of the running role."""
    monkeypatch.setenv("HOOKLINE_KAFKA__BOOTSTRAP", management_base.settings.kafka.bootstrap)
    monkeypatch.setenv("HOOKLINE_POSTGRES__DSN", management_base.dsn)
    monkeypatch.setenv("HOOKLINE_MANAGEMENT__PASSWORD_MEMORY_KIBIBYTES", "64")
    monkeypatch.setenv("HOOKLINE_MANAGEMENT__PASSWORD_ITERATIONS", "1")
    return management_base


def hookline(*arguments: str, confirm: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=confirm)


def test_a_tenant_is_made_with_an_admin_who_can_sign_in_and_do_everything(operator: ManagementBase) -> None:
    slug = f"new-{uuid4().hex[:8]}"
    made = hookline("tenants", "create", slug, "--name", "New & Sons", "--admin-email", "ada@new.example", "--json")
    assert made.exit_code == ExitCode.OK, made.output
    shown = json.loads(made.stdout)
    with new_browser(operator) as browser:
        answer = browser.sign_in(slug, "ada@new.example", shown["password"])
        assert (answer.status_code, answer.json()["is_admin"]) == (201, True)
        assert browser.call("GET", "/tenants").json()["data"][0]["name"] == "New & Sons"
        assert len(browser.call("GET", "/users").json()["data"]) == 1
        role = browser.call("GET", "/roles").json()["data"][0]
        assert (role["is_admin"], role["user_count"]) == (True, 1)
    listed = json.loads(hookline("tenants", "list", "--json").stdout)
    assert slug in [tenant["slug"] for tenant in listed]
    assert slug in hookline("tenants", "list").stdout
    [entry] = operator.rows("SELECT * FROM audit_entries WHERE resource_id = %s", (shown["id"],))
    assert (entry["action"], entry["actor"]["type"]) == ("tenant.created", "system")
    assert shown["password"] not in str(entry)


@pytest.mark.parametrize(
    ("slug", "name", "email", "exit_code", "said"),
    [
        ("acme", "Acme", "ada@acme.example", ExitCode.WORK_FAILED, "there is a tenant acme already"),
        ("Acme", "Acme", "ada@acme.example", ExitCode.USAGE, "'Acme' is not a slug"),
        ("-acme", "Acme", "ada@acme.example", ExitCode.USAGE, "No such option"),
        ("other", " ", "ada@acme.example", ExitCode.USAGE, "--name"),
        ("other", "Other", "ada", ExitCode.USAGE, "'ada' is not an e-mail address"),
    ],
)
def test_a_tenant_that_cannot_be_made_says_why(
    operator: ManagementBase, slug: str, name: str, email: str, exit_code: ExitCode, said: str
) -> None:
    before = operator.rows("SELECT count(*) AS count FROM tenants")
    result = hookline("tenants", "create", slug, "--name", name, "--admin-email", email)
    assert (result.exit_code, said in result.stderr) == (exit_code, True), result.output
    assert operator.rows("SELECT count(*) AS count FROM tenants") == before


def test_what_a_tenant_may_do_is_set_and_the_api_shows_it(operator: ManagementBase) -> None:
    tenant = make_tenant(operator.dsn, f"set-{uuid4().hex[:8]}")
    flags = ["--no-entitlement", "workflows", "--disable-inbound", "--requests-per-minute", "7"]
    result = hookline("tenants", "set", tenant.slug, *flags)
    assert result.exit_code == ExitCode.OK, result.output
    assert "inbound webhooks: off" in result.stdout
    shown = operator.call("GET", "/tenants", headers=tenant.headers).json()["data"][0]
    assert (shown["entitlements"], shown["inbound_webhooks_enabled"], shown["api_requests_per_minute"]) == (
        *(["webhooks", "public_api"], False, 7),
    )
    back = hookline("tenants", "set", tenant.slug, "--entitlement", "workflows", "--enable-inbound", "--json")
    assert json.loads(back.stdout)["entitlements"] == ["webhooks", "public_api", "workflows"]
    assert hookline("tenants", "set", tenant.slug, "--enable-inbound").exit_code == ExitCode.OK
    entries = operator.rows(
        "SELECT before, after FROM audit_entries WHERE resource_id = %s ORDER BY id", (str(tenant.id),)
    )
    assert len(entries) == 2, "what changed nothing is no entry"
    assert entries[0]["after"]["inbound_webhooks_enabled"] is False


def test_a_slug_changes_only_when_it_is_confirmed(operator: ManagementBase) -> None:
    tenant = make_tenant(operator.dsn, f"old-{uuid4().hex[:8]}")
    _, email = make_person(operator, tenant.admin_role_id, tenant=tenant)
    new = f"renamed-{uuid4().hex[:8]}"
    refused = hookline("tenants", "set", tenant.slug, "--rename-slug", new, confirm="n\n")
    assert refused.exit_code == ExitCode.WORK_FAILED
    assert "stop working" in refused.stdout
    taken = hookline("tenants", "set", tenant.slug, "--rename-slug", "acme", "--yes")
    assert (taken.exit_code, "a tenant acme already" in taken.stderr) == (ExitCode.WORK_FAILED, True)
    assert hookline("tenants", "set", tenant.slug, "--rename-slug", new, confirm="y\n").exit_code == ExitCode.OK
    with new_browser(operator) as browser:
        assert browser.sign_in(tenant.slug, email).status_code == 401
        assert browser.sign_in(new, email).status_code == 201
    gone = hookline("tenants", "set", tenant.slug, "--enable-inbound")
    assert (gone.exit_code, f"no tenant {tenant.slug}" in gone.stderr) == (ExitCode.WORK_FAILED, True)
    wrong = hookline("tenants", "set", new, "--entitlement", "everything")
    assert (wrong.exit_code, "webhooks, public_api, workflows" in wrong.stderr) == (ExitCode.USAGE, True)


def test_a_lost_password_is_replaced_sessions_end_and_a_block_is_lifted(operator: ManagementBase) -> None:
    _, email = make_person(operator)
    with signed_in(operator, email) as browser, new_browser(operator) as stranger:
        statuses = [stranger.sign_in("acme", email, "a guess of a stranger").status_code for _ in range(11)]
        assert statuses[-1] == 429
        result = hookline("users", "set-password", email.upper(), "--tenant", "acme")
        assert result.exit_code == ExitCode.OK, result.output
        found = re.search(r"signs in with: (\S{24})\n", result.stdout)
        assert found is not None
        assert browser.call("GET", "/sessions/current").status_code == 401
        with new_browser(operator) as elsewhere:
            assert elsewhere.sign_in("acme", email, found.group(1)).status_code == 201
    for arguments in (["nobody@acme.example", "--tenant", "acme"], [email, "--tenant", "nowhere"]):
        assert hookline("users", "set-password", *arguments).exit_code == ExitCode.WORK_FAILED


def test_an_owner_who_is_no_superuser_does_the_same(postgres: PostgresServer) -> None:
    name = f"owner_{uuid4().hex[:8]}"
    role, database = sql.Identifier(name), sql.Identifier(name)
    make_role = sql.SQL(
        "CREATE ROLE {} LOGIN PASSWORD 'x' NOSUPERUSER NOBYPASSRLS IN ROLE hookline_service, hookline_relay"
    )
    with new_database(postgres.dsn) as roles_dsn, psycopg.connect(postgres.dsn, autocommit=True) as server:
        migrate(roles_dsn)  # makes the two roles where no test has yet
        server.execute(make_role.format(role))
        try:
            server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
            address = urlsplit(postgres.dsn)
            dsn = address._replace(netloc=f"{name}:x@{address.hostname}:{address.port}", path=f"/{name}").geturl()
            migrate(dsn)
            made = create_tenant(dsn, CHEAP, slug="acme", name="Acme", admin_email="ada@acme.example")
            assert [row["slug"] for row in list_tenants(dsn)] == ["acme"]
            change = TenantChange(withdrawn=["workflows"], slug="acme-ltd")
            assert change_tenant(dsn, "acme", change)["entitlements"] == ["webhooks", "public_api"]
            password = reset_password(dsn, CHEAP, tenant_slug="acme-ltd", email="ADA@acme.example")
            assert password not in ("", made.password)
        finally:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
            server.execute(sql.SQL("DROP ROLE {}").format(role))


def test_the_first_admin_password_is_made_once_and_kept_in_a_private_file(database_dsn: str, tmp_path: Path) -> None:
    migrate(database_dsn)
    file = tmp_path / "secrets" / "admin-password"
    first = ensure_admin_password(database_dsn, CHEAP, seed_demo(database_dsn), file)
    assert first is not None
    assert file.read_text() == f"{first}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ensure_admin_password(database_dsn, CHEAP, seed_demo(database_dsn), file) is None
    other_folder = tmp_path / "other" / "admin-password"
    assert ensure_admin_password(database_dsn, CHEAP, seed_demo(database_dsn), other_folder) is None
    assert not other_folder.exists()


def test_a_first_start_that_was_broken_off_goes_on_with_the_kept_password(database_dsn: str, tmp_path: Path) -> None:
    migrate(database_dsn)
    file = tmp_path / "admin-password"
    file.write_text("kept before the start was broken off\n")
    found = ensure_admin_password(database_dsn, CHEAP, seed_demo(database_dsn), file)
    assert found == "kept before the start was broken off"
