"""The audit over HTTP: every change is there once, newest first, and is found by who, what, where and when."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.support.management import ManagementBase, bearer
from tests.support.operations import all_operations
from tests.support.webhooks import create_webhook

Json = dict[str, Any]


def audit(base: ManagementBase, **wanted: str | int) -> list[Json]:
    answer = base.call("GET", "/audit", params=wanted)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["data"]
    return found


def test_a_change_is_found_by_who_what_and_which(management_base: ManagementBase) -> None:
    request_id = f"request-{uuid4()}"
    made = management_base.call(
        "POST",
        "/api-keys",
        headers={**management_base.tenant.headers, "X-Request-Id": request_id},
        json={"name": "audited", "permissions": ["delivery:read"]},
    ).json()
    [entry] = audit(management_base, resource_id=made["id"])
    assert (entry["action"], entry["resource_type"], entry["request_id"]) == ("api_key.created", "api_key", request_id)
    assert (entry["actor"]["type"], entry["source_ip"]) == ("api_key", "127.0.0.1")
    assert (entry["before"], entry["after"]["name"]) == (None, "audited")
    assert made["key"] not in str(entry)
    wanted = {"actor": entry["actor"]["id"], "action": "api_key.created", "resource_type": "api_key", "per_page": 100}
    assert entry in audit(management_base, **wanted)
    assert entry in audit(management_base, actor=entry["actor"]["name"], per_page=100)
    for name, value in (("actor", str(uuid4())), ("action", "api_key.revoked"), ("resource_type", "role")):
        assert entry not in audit(management_base, **{**wanted, name: value})
    moment = entry["occurred_at"]
    assert audit(management_base, resource_id=made["id"], since=moment) == [entry]
    assert audit(management_base, resource_id=made["id"], until=moment) == []


def test_pages_are_newest_first_and_counted(management_base: ManagementBase) -> None:
    webhook = create_webhook(management_base, "audited")
    for name in ("One", "Two", "Three"):
        path = f"/inbound-webhooks/{webhook['id']}"
        assert management_base.call("PATCH", path, json={"name": name}).status_code == 200
    pages = [
        management_base.call("GET", "/audit", params={"resource_id": webhook["id"], "per_page": 2, "page": page}).json()
        for page in (1, 2, 3)
    ]
    assert [page["meta"]["total"] for page in pages] == [4, 4, 4]
    names = [entry["after"]["name"] for page in pages for entry in page["data"]]
    assert names == ["Three", "Two", "One", "Audited"]
    befores = [entry["before"] and entry["before"]["name"] for page in pages for entry in page["data"]]
    assert befores == ["Two", "One", "Audited", None]


def test_a_refused_change_leaves_no_entry(management_base: ManagementBase) -> None:
    before = management_base.rows("SELECT count(*) AS count FROM audit_entries")
    powerless = bearer(management_base.new_key())
    for operation in all_operations():
        if operation.method != "GET" and operation.permissions:
            path = operation.filled({name: "1" if name == "version" else str(uuid4()) for name in operation.parameters})
            assert management_base.call(operation.method, path, headers=powerless, json={}).status_code == 403
    assert management_base.rows("SELECT count(*) AS count FROM audit_entries") == before


@pytest.mark.parametrize("statement", ["UPDATE audit_entries SET action = 'a.b'", "DELETE FROM audit_entries"])
def test_what_is_written_stays_as_it_is(management_base: ManagementBase, statement: str) -> None:
    """The service's role has no right to change an entry, so a fault of ours could not either."""
    with psycopg.connect(management_base.dsn) as connection:
        connection.execute("SET ROLE hookline_service")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())
        connection.rollback()
