"""What an inbound webhook names has to be there when it is saved: references, namespaces, event types, workflows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.support.management import ManagementBase, management_base
from tests.support.webhooks import (
    MAPPING,
    WEBHOOKS,
    add_ticket_entities,
    create_webhook,
    problems_of,
    refused_webhook,
    ticket_handler,
    webhook_body,
)

__all__ = ["management_base"]


@pytest.mark.parametrize(
    ("field", "expression", "fits"),
    [
        ("priority_id", "'critical'", True),
        ("priority_id", "'  High '", True),
        ("priority_id", "'Urgent'", False),
        ("client_id", "'Acme Ltd'", True),
        ("client_id", "'Gone Ltd'", False),
        ("client_id", "'0198c0de-0000-7000-8000-000000000000'", False),
        ("status_id", "'New'", True),
        ("status_id", "'Lost'", False),
        ("assigned_to", "'ADMIN'", True),
        ("assigned_to", "'nobody'", False),
        ("title", "'Disk full'", True),
        ("title", "''", False),
        ("title", "null", False),
        ("title", "()", False),
        ("title", "$uppercase('disk')", True),
        ("title", "$string($now())", True),
        ("title", f"'{'x' * 501}'", False),
        ("due_date", "'2026-11-25T10:00:00Z'", True),
        ("due_date", "'2026-11-25'", False),
        ("attributes", "{'a': 1}", True),
        ("attributes", "[1]", False),
        ("description", "1 / 'a'", False),
    ],
)
def test_a_constant_has_to_fit_its_field_when_it_is_saved(
    management_base: ManagementBase, field: str, expression: str, fits: bool
) -> None:
    if not management_base.rows("SELECT FROM boards WHERE tenant_id = %s", (management_base.tenant.id,)):
        add_ticket_entities(management_base, management_base.tenant.id)
    body = webhook_body(f"constant-{uuid4().hex}", handler_config=ticket_handler(**{field: expression}))
    answer = management_base.call("POST", WEBHOOKS, json=body)
    if fits:
        assert answer.status_code == 201, answer.text
    else:
        problems = problems_of(answer)
        assert problems.keys() == {f"{MAPPING}.{field}"}
        assert field in problems[f"{MAPPING}.{field}"]


def test_a_constant_never_refers_to_what_another_tenant_has(management_base: ManagementBase) -> None:
    client_id = uuid4()
    management_base.write(
        "INSERT INTO clients (tenant_id, id, name) VALUES (%s, %s, 'Globex only')",
        (management_base.other_tenant.id, client_id),
    )
    for text in ("Globex only", str(client_id)):
        assert refused_webhook(management_base, handler_config=ticket_handler(client_id=f"'{text}'")).keys() == {
            f"{MAPPING}.client_id"
        }


def test_a_name_that_several_assets_have_is_no_reference(management_base: ManagementBase) -> None:
    client_id, tenant_id = uuid4(), management_base.tenant.id
    management_base.write(
        "INSERT INTO clients (tenant_id, id, name) VALUES (%s, %s, 'Of assets')", (tenant_id, client_id)
    )
    for tag in ("T-1", "T-2"):
        management_base.write(
            "INSERT INTO assets (tenant_id, id, client_id, name, asset_tag) VALUES (%s, %s, %s, 'Laptop', %s)",
            (tenant_id, uuid4(), client_id, tag),
        )
    problems = refused_webhook(management_base, handler_config=ticket_handler(asset_id="'laptop'"))
    assert "several" in problems[f"{MAPPING}.asset_id"]
    assert create_webhook(management_base, "by-tag", handler_config=ticket_handler(asset_id="'t-1'"))["version"] == 1


def test_workflows_are_refused_because_there_are_none(management_base: ManagementBase) -> None:
    path = "handler_config.workflow_id"
    for workflow_id, words in ((str(uuid4()), "no workflow"), ("daily", "UUID")):
        members = {"handler_type": "workflow", "handler_config": {"workflow_id": workflow_id}}
        problems = refused_webhook(management_base, **members)
        assert problems.keys() == {path}
        assert words in problems[path]


def test_external_ids_come_from_another_webhook_of_the_tenant_without_chains(management_base: ManagementBase) -> None:
    path = "handler_config.external_ids_of"
    base = create_webhook(management_base, "namespace-base")
    leaning = create_webhook(
        management_base, "namespace-leaning", handler_config={**ticket_handler(), "external_ids_of": base["id"]}
    )
    theirs = management_base.call(
        "POST", WEBHOOKS, json=webhook_body("namespace-theirs"), headers=management_base.other_tenant.headers
    ).json()
    for named in (leaning["id"], theirs["id"], str(uuid4()), "not-an-id", 5):
        assert refused_webhook(
            management_base, handler_config={**ticket_handler(), "external_ids_of": named}
        ).keys() == {path}
    itself = management_base.call(
        "PATCH", f"{WEBHOOKS}/{base['id']}", json={"handler_config": {"external_ids_of": base["id"]}}
    )
    assert "itself" in problems_of(itself)[path]
    third = create_webhook(management_base, "namespace-third")
    chained = management_base.call(
        "PATCH", f"{WEBHOOKS}/{base['id']}", json={"handler_config": {"external_ids_of": third["id"]}}
    )
    assert "namespace-leaning" in problems_of(chained)[path]


def test_two_that_name_each_other_at_once_make_no_chain(management_base: ManagementBase) -> None:
    ids = [create_webhook(management_base, f"each-other-{number}")["id"] for number in range(2)]

    def name_other(number: int) -> int:
        body = {"handler_config": {"external_ids_of": ids[1 - number]}}
        return management_base.call("PATCH", f"{WEBHOOKS}/{ids[number]}", json=body).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(name_other, range(2))) == [200, 400]


def test_a_webhook_is_never_deleted_under_one_that_begins_to_name_it(management_base: ManagementBase) -> None:
    for number in range(5):
        named = create_webhook(management_base, f"deleted-or-named-{number}")["id"]
        body = webhook_body(f"names-it-{number}", handler_config={**ticket_handler(), "external_ids_of": named})
        with ThreadPoolExecutor(2) as pool:
            created = pool.submit(management_base.call, "POST", WEBHOOKS, json=body)
            deleted = pool.submit(management_base.call, "DELETE", f"{WEBHOOKS}/{named}")
        statuses = (created.result().status_code, deleted.result().status_code)
        assert statuses in ((201, 409), (400, 204))


def test_the_event_type_of_a_tenant_is_pinned_in_its_newest_version(management_base: ManagementBase) -> None:
    for version in (1, 2):
        management_base.write(
            "INSERT INTO event_types (tenant_id, name, version, schema, created_by) "
            "VALUES (%s, 'rmm.alert', %s, %s, %s)",
            (management_base.tenant.id, version, f'{{"type": "object", "minProperties": {version}}}', "{}"),
        )
    created = create_webhook(management_base, "validated", validation={"mode": "reject", "event_type": "rmm.alert"})
    assert created["validation"] == {"mode": "reject", "event_type": "rmm.alert", "event_version": 2}
    [row] = management_base.rows("SELECT validation FROM webhooks WHERE id = %s", (created["id"],))
    assert row["validation"]["json_schema"] == {"type": "object", "minProperties": 2}
    others = {"validation": {"mode": "reject", "event_type": "rmm.alert"}}
    answer = management_base.call(
        "POST", WEBHOOKS, json=webhook_body("validated", **others), headers=management_base.other_tenant.headers
    )
    assert problems_of(answer).keys() == {"validation.event_type"}


@pytest.mark.parametrize("schema", ['{"type": "nothing"}', "true"])
def test_a_schema_that_cannot_hold_bodies_to_anything_is_refused(management_base: ManagementBase, schema: str) -> None:
    name = f"unusable.s{uuid4().hex}"
    management_base.write(
        "INSERT INTO event_types (tenant_id, name, version, schema, created_by) VALUES (%s, %s, 1, %s, '{}')",
        (management_base.tenant.id, name, schema),
    )
    problems = refused_webhook(management_base, validation={"mode": "reject", "event_type": name})
    assert problems.keys() == {"validation.event_type"}
    assert name in problems["validation.event_type"]
