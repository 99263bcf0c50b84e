"""Users of a ClickHouse server who read one tenant: what is said to the server, and what it then shows."""

import uuid
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from hookline.cli import app
from hookline.errors import UsageError, WorkFailedError
from hookline.sql.users import grant, grant_statements, readers, revoke, tenant_tables
from infra.clickhouse import ClickHouse, load_migrations, migrate
from infra.errors import ClickHouseRefusedError
from infra.settings import ClickHouseSettings
from infra.sql.reader import SqlQuestion, SqlReader

_TENANT, _OTHER = uuid.uuid4(), uuid.uuid4()
_SERVER_IMAGE = "clickhouse/clickhouse-server:25.8"


def test_every_table_with_a_tenant_has_both_policies_before_its_grant(clickhouse_engine: ClickHouse) -> None:
    tables = tenant_tables(clickhouse_engine)
    statements = grant_statements(tables, _TENANT, "ada", database="default", password="x", is_known=False)
    made = "\n".join(migration.statement for migration in load_migrations())
    declared = {
        row["table"]
        for row in clickhouse_engine.query(
            "SELECT DISTINCT table FROM system.columns WHERE database = 'default' AND name = 'tenant_id'"
        )
        if f"CREATE TABLE IF NOT EXISTS {row['table']}\n" in made
    }
    assert {"deliveries", "rejections", "webhook_activity", "webhook_totals"} <= declared
    for name in declared:
        told = [statement for statement in statements if f" ON `default`.`{name}` " in statement]
        assert [statement.split(" ")[0] for statement in told] == ["CREATE", "CREATE", "CREATE", "GRANT"]
        assert "AS PERMISSIVE FOR SELECT\n    USING tenant_id = toUUID(" in told[1]
        assert "AS RESTRICTIVE FOR SELECT\n    USING tenant_id = toUUID(" in told[2]
        assert told[3] == f"GRANT SELECT ON `default`.`{name}` TO `ada`"
    assert len(statements) == 2 + 4 * len(tables)
    assert not [statement for statement in statements if "GRANT" in statement and ".*" in statement]


def test_the_engine_understands_every_statement_and_no_password_is_in_one(clickhouse_engine: ClickHouse) -> None:
    secret = "the-password-itself"
    for is_known in (False, True):
        statements = grant_statements(
            tenant_tables(clickhouse_engine), _TENANT, "ada", database="default", password=secret, is_known=is_known
        )
        for statement in statements:
            [row] = clickhouse_engine.query("SELECT formatQuery({sql:String}) AS sql", {"sql": statement})
            assert row["sql"].split()[0] in ("CREATE", "ALTER", "GRANT")
            assert secret not in statement


@pytest.mark.parametrize("name", ["Ada", "1st", "a`b", "a b", "", "ada'; DROP USER x"])
def test_a_name_that_is_none_is_refused(clickhouse_engine: ClickHouse, name: str) -> None:
    with pytest.raises(UsageError, match="no name for a user"):
        grant(clickhouse_engine, _TENANT, name, new_password=False, dry_run=True)


def test_without_a_server_the_command_says_what_to_do_instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HOOKLINE_CLICKHOUSE__DSN", raising=False)
    arguments = ["analytics", "grant", "--tenant", str(_TENANT), "--user", "ada", "--data-dir", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "hookline sql --tenant" in result.stderr


@pytest.mark.docker
def test_on_a_real_server_a_user_reads_one_tenant_until_it_is_taken_away(docker_engine: str) -> None:
    from testcontainers.clickhouse import ClickHouseContainer

    container = ClickHouseContainer(_SERVER_IMAGE, username="owner", password="owner", dbname="hookline")
    with container.with_env("CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT", "1").with_exposed_ports(8123) as running:
        address = f"{running.get_container_host_ip()}:{running.get_exposed_port(8123)}/hookline"
        server = ClickHouse(ClickHouseSettings(dsn=SecretStr(f"clickhouse://owner:owner@{address}")))
        migrate(server)
        for tenant_id in (_TENANT, _OTHER):
            server.execute(
                "INSERT INTO rejections (tenant_id, rejection_id, rejected_at) "
                "SELECT {tenant_id:UUID}, generateUUIDv4(), now64(6) FROM numbers(3)",
                {"tenant_id": str(tenant_id)},
            )
        done = grant(server, _TENANT, "ada", new_password=False, dry_run=False)
        assert grant(server, _TENANT, "ada", new_password=False, dry_run=False).password is None
        settings = ClickHouseSettings(dsn=SecretStr(f"clickhouse://ada:{done.password}@{address}"))
        ada = ClickHouse(settings)
        assert ada.query("SELECT DISTINCT tenant_id FROM rejections") == [{"tenant_id": _TENANT}]
        question = SqlQuestion(sql="SELECT count() AS n FROM rejections")
        assert [row for batch in SqlReader(ada, settings).read(question) for row in batch.to_pylist()] == [{"n": 3}]
        assert server.query("SELECT count() AS n FROM rejections") == [{"n": 6}]
        for refused in ("SELECT * FROM schema_migrations", "INSERT INTO rejections (path) VALUES ('x')"):
            with pytest.raises(ClickHouseRefusedError):
                ada.execute(refused)
        assert [(reader.user, reader.tenant_id) for reader in readers(server)] == [("ada", str(_TENANT))]
        with pytest.raises(WorkFailedError, match="not made by this command"):
            grant(server, _TENANT, "owner", new_password=False, dry_run=False)
        revoke(server, "ada")
        assert readers(server) == []
        ada.close()
        server.close()
