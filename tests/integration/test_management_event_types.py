"""Event types over HTTP: Hookline's own beside the tenant's, versions that fit each other, and what is refused."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from schemas.event_types import core_event_types
from tests.support.management import ManagementBase, bearer

ALERT = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def declare(base: ManagementBase, name: str, headers: dict[str, str] | None = None, **members: Any) -> httpx.Response:
    body = {"name": name, "json_schema": ALERT, **members}
    return base.call("POST", "/event-types", headers=headers, json=body)


def problems(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    return {detail["path"]: detail["message"] for detail in answer.json()["error"]["details"]}


@pytest.fixture
def name() -> str:
    return f"rmm.alert-{uuid4().hex[:8]}"


def test_a_declared_type_is_shown_as_it_was_written(management_base: ManagementBase, name: str) -> None:
    schema = {"title": "Alert", **ALERT, "$defs": {"z": {}, "a": {}}}
    made = declare(management_base, name, description="An alert", json_schema=schema)
    assert made.status_code == 201, made.text
    assert list(made.json()["json_schema"]) == list(schema)
    assert (made.json()["version"], made.json()["origin"], made.json()["created_by"]["type"]) == (
        *(1, "declared", "api_key"),
    )
    shown = management_base.call("GET", f"/event-types/{name}").json()
    assert (shown["description"], shown["versions"], shown["json_schema"]) == ("An alert", [1], schema)
    assert management_base.call("GET", f"/event-types/{name}/versions/1").json() == made.json()
    [entry] = management_base.rows("SELECT * FROM audit_entries WHERE resource_id = %s", (name,))
    assert (entry["action"], entry["after"]) == ("event_type.created", {"version": 1, "description": "An alert"})


def test_the_list_has_hooklines_own_and_then_the_tenants_by_name(management_base: ManagementBase) -> None:
    mark = uuid4().hex[:8]
    for part in ("b", "a"):
        assert declare(management_base, f"zz-{mark}.{part}", description="Mine").status_code == 201
    whole = management_base.call("GET", "/event-types", params={"per_page": 100}).json()
    names = [one["name"] for one in whole["data"]]
    own = len(core_event_types())
    assert names[:own] == sorted(core_event_types())
    assert names[own:] == sorted(names[own:])
    assert [one["origin"] for one in whole["data"]] == ["core"] * own + ["declared"] * (len(names) - own)
    assert whole["meta"]["total"] == len(names)
    found = management_base.call(
        "GET", "/event-types", params={"search": mark.upper(), "per_page": 1, "page": 2}
    ).json()
    assert ([one["name"] for one in found["data"]], found["meta"]["total"]) == ([f"zz-{mark}.b"], 2)
    pages = [management_base.call("GET", "/event-types", params={"per_page": 4, "page": n}).json() for n in range(1, 9)]
    assert [one["name"] for page in pages for one in page["data"]] == names[:32]
    core = management_base.call("GET", "/event-types", params={"origin": "core", "per_page": 100}).json()
    assert {one["name"] for one in core["data"]} == set(core_event_types())
    assert {one["created_at"] for one in core["data"]} == {None}
    beside = management_base.call("GET", "/inbound-webhooks/event-types", params={"per_page": 100})
    assert beside.json() == whole


def test_hooklines_own_are_shown_and_never_changed(management_base: ManagementBase) -> None:
    [newest] = core_event_types()["ticket.created"]
    shown = management_base.call("GET", "/event-types/ticket.created").json()
    assert (shown["origin"], shown["versions"], shown["json_schema"]) == ("core", [1], newest.json_schema)
    version = management_base.call("GET", "/event-types/ticket.created/versions/1").json()
    assert (version["json_schema"], version["created_by"]) == (newest.json_schema, None)
    assert management_base.call("GET", "/event-types/ticket.created/versions/2").status_code == 404
    body = {"json_schema": {}, "compatibility": "none"}
    assert management_base.call("POST", "/event-types/ticket.created/versions", json=body).status_code == 409
    assert management_base.call("DELETE", "/event-types/ticket.created").status_code == 409


@pytest.mark.parametrize("reserved", ["ticket.created", "ticket.merged", "hookline", "asset.seen"])
def test_names_of_hooklines_own_are_kept_for_it(management_base: ManagementBase, reserved: str) -> None:
    assert "kept for Hookline" in problems(declare(management_base, reserved), 400)["name"]


def test_every_problem_of_a_declaration_comes_at_once(management_base: ManagementBase) -> None:
    schema = {"properties": {"a": {"pattern": "(?=x)"}, "b": {"$ref": "https://elsewhere.example"}}}
    body = {"name": "Not A Name", "description": "x" * 2_001, "json_schema": schema, "more": 1}
    assert set(problems(management_base.call("POST", "/event-types", json=body), 400)) == {
        *("name", "description", "more", "json_schema.properties.a.pattern", "json_schema.properties.b.$ref")
    }
    assert set(problems(declare(management_base, "x", json_schema={"type": "text"}), 400)) == {"json_schema.type"}
    assert set(problems(declare(management_base, "x", json_schema=[1]), 400)) == {"json_schema"}


def test_a_name_is_declared_once(management_base: ManagementBase, name: str) -> None:
    assert declare(management_base, name).status_code == 201
    assert set(problems(declare(management_base, name), 409)) == {"name"}


def test_a_new_version_accepts_what_the_newest_does_or_says_that_it_need_not(
    management_base: ManagementBase, name: str
) -> None:
    assert declare(management_base, name, description="An alert").status_code == 201
    path = f"/event-types/{name}/versions"
    wider = {"type": "object", "properties": {"id": {"type": ["string", "integer"]}}}
    second = management_base.call("POST", path, json={"json_schema": wider})
    assert second.status_code == 201, second.text
    assert (second.json()["version"], second.json()["description"]) == (2, "An alert")
    refused = management_base.call("POST", path, json={"json_schema": ALERT | {"minProperties": 2}})
    assert set(problems(refused, 409)) == {
        *("json_schema.required", "json_schema.properties.id.type", "json_schema.minProperties")
    }
    assert "none" in refused.json()["error"]["message"]
    meant = {"json_schema": ALERT, "compatibility": "none", "description": "Text again"}
    assert management_base.call("POST", path, json=meant).json()["version"] == 3
    shown = management_base.call("GET", f"/event-types/{name}").json()
    assert (shown["versions"], shown["json_schema"], shown["description"]) == ([3, 2, 1], ALERT, "Text again")
    assert management_base.call("GET", f"{path}/2").json()["json_schema"] == wider
    entries = management_base.rows(
        "SELECT after FROM audit_entries WHERE resource_id = %s AND action = 'event_type.version_created'", (name,)
    )
    assert [entry["after"]["compatibility"] for entry in entries] == ["backward", "none"]
    assert management_base.call("POST", f"/event-types/{name}x/versions", json=meant).status_code == 404
    assert set(problems(management_base.call("POST", path, json={"json_schema": {"type": 1}}), 400)) == {
        "json_schema.type"
    }


def test_a_type_that_a_webhook_is_held_to_stays(management_base: ManagementBase, name: str) -> None:
    assert declare(management_base, name).status_code == 201
    webhook_id = uuid4()
    management_base.write(
        "INSERT INTO webhooks (tenant_id, id, slug, name, validation) VALUES (%s, %s, %s, 'held', jsonb_build_object("
        "'mode', 'warn', 'event_type', %s::text, 'event_version', 1, 'json_schema', '{}'::jsonb))",
        (management_base.tenant.id, webhook_id, f"held-{webhook_id.hex[:8]}", name),
    )
    refused = management_base.call("DELETE", f"/event-types/{name}")
    assert refused.status_code == 409
    assert f"held-{webhook_id.hex[:8]}" in refused.json()["error"]["message"]
    management_base.write("DELETE FROM webhooks WHERE id = %s", (webhook_id,))
    assert management_base.call("DELETE", f"/event-types/{name}").status_code == 204
    assert management_base.call("GET", f"/event-types/{name}").status_code == 404
    assert management_base.call("DELETE", f"/event-types/{name}").status_code == 404
    [entry] = management_base.rows(
        "SELECT before FROM audit_entries WHERE resource_id = %s AND action = 'event_type.deleted'", (name,)
    )
    assert entry["before"]["version"] == 1


def test_another_tenant_neither_sees_nor_touches_a_type(management_base: ManagementBase, name: str) -> None:
    assert declare(management_base, name).status_code == 201
    stranger = management_base.other_tenant.headers
    for method, path in (("GET", ""), ("GET", "/versions/1"), ("DELETE", "")):
        assert management_base.call(method, f"/event-types/{name}{path}", headers=stranger).status_code == 404
    answer = management_base.call(
        "POST", f"/event-types/{name}/versions", headers=stranger, json={"json_schema": ALERT}
    )
    assert answer.status_code == 404
    listed = management_base.call("GET", "/event-types", headers=stranger, params={"search": name}).json()
    assert listed["data"] == []
    assert declare(management_base, name, stranger).status_code == 201


def test_each_operation_needs_its_permission(management_base: ManagementBase, name: str) -> None:
    reader = bearer(management_base.new_key("event_type:read"))
    creator = bearer(management_base.new_key("event_type:create"))
    assert declare(management_base, name, reader).status_code == 403
    assert declare(management_base, name, creator).status_code == 201
    assert management_base.call("GET", f"/event-types/{name}", headers=creator).status_code == 403
    assert management_base.call("GET", f"/event-types/{name}", headers=reader).status_code == 200
    assert management_base.call("DELETE", f"/event-types/{name}", headers=creator).status_code == 403
