"""External ids that callers of the API give to entities, and what actions make of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args
from uuid import uuid4

import pytest

from hookline.seed import seed_demo
from management.entities.external_entity_mappings.schemas import MappedType
from tests.support.actions import ActionBase, request_of
from tests.support.entities import make_entity
from tests.support.management import ManagementBase
from tests.support.webhooks import create_webhook, problems_of

Json = dict[str, Any]
MAPPINGS = "/external-entity-mappings"


@pytest.fixture(scope="module")
def webhook_id(management_base: ManagementBase) -> str:
    found: str = create_webhook(management_base, "senders")["id"]
    return found


def mapped(base: ManagementBase, body: Mapping[str, Any]) -> Json:
    answer = base.call("POST", MAPPINGS, json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


def members_of_conflict(base: ManagementBase, method: str, path: str, body: Mapping[str, Any]) -> set[str]:
    answer = base.call(method, path, json=body)
    assert answer.status_code == 409, answer.text
    return {detail["path"] for detail in answer.json()["error"]["details"]}


def test_an_action_finds_the_client_that_the_api_mapped(management_base: ManagementBase, webhook_id: str) -> None:
    base = management_base
    client = make_entity(base, "client")
    mapping = mapped(
        base, {"webhook_id": webhook_id, "entity_type": "client", "external_id": "C-42", "entity_id": client["id"]}
    )
    assert (mapping["realm_id"], mapping["metadata"], mapping["sync_status"]) == ("", {}, "synced")
    actions = ActionBase(base.dsn, seed_demo(base.dsn))
    fields = {"external_id": "C-42", "phone_no": "+49 30 1"}
    namespace = {"tenant_id": str(base.tenant.id), "webhook_id": webhook_id}
    [outcome] = actions.run(request_of(actions, "upsertClientByExternalId", fields, **namespace))
    assert outcome.status == "dispatched", outcome.body
    assert (outcome.body["entity_id"], outcome.body["created"]) == (client["id"], False)
    assert base.call("GET", f"/clients/{client['id']}").json()["phone_no"] == "+49 30 1"


@pytest.mark.parametrize("entity_type", get_args(MappedType))
def test_the_entity_must_be_there_and_of_the_type(
    management_base: ManagementBase, webhook_id: str, entity_type: str
) -> None:
    base = management_base
    board = make_entity(base, "board")
    for entity_id in (str(uuid4()), board["id"]):
        body = {"webhook_id": webhook_id, "entity_type": entity_type, "external_id": "1", "entity_id": entity_id}
        assert set(problems_of(base.call("POST", MAPPINGS, json=body))) == {"entity_id"}


def test_an_invoice_is_mapped_as_an_invoice_and_as_nothing_else(
    management_base: ManagementBase, webhook_id: str
) -> None:
    base = management_base
    invoice_id = str(uuid4())
    base.write(
        "INSERT INTO invoices (tenant_id, id, client_id, number, currency) VALUES (%s, %s, %s, 'INV-1', 'EUR')",
        (base.tenant.id, invoice_id, make_entity(base, "client")["id"]),
    )
    body = {"webhook_id": webhook_id, "external_id": "I-1", "entity_id": invoice_id}
    for entity_type in ("client", "project"):
        refused = base.call("POST", MAPPINGS, json=body | {"entity_type": entity_type})
        assert set(problems_of(refused)) == {"entity_id"}
    assert set(problems_of(base.call("POST", MAPPINGS, json=body | {"entity_type": "board"}))) == {"entity_type"}
    assert mapped(base, body | {"entity_type": "invoice"})["entity_id"] == invoice_id


def test_an_id_means_one_entity_per_webhook_type_and_realm_and_an_entity_has_one_id(
    management_base: ManagementBase, webhook_id: str
) -> None:
    base = management_base
    client, other = make_entity(base, "client"), make_entity(base, "client")
    contact = make_entity(base, "contact", client_id=client["id"])
    body = {"webhook_id": webhook_id, "entity_type": "client", "external_id": "42"}
    first = mapped(base, body | {"entity_id": client["id"]})
    assert members_of_conflict(base, "POST", MAPPINGS, body | {"entity_id": other["id"]}) == {"external_id"}
    second_id = body | {"external_id": "43", "entity_id": client["id"]}
    assert members_of_conflict(base, "POST", MAPPINGS, second_id) == {"entity_id"}
    mapped(base, body | {"entity_type": "contact", "entity_id": contact["id"]})
    second = mapped(base, body | {"realm_id": "north", "entity_id": other["id"]})
    assert members_of_conflict(base, "PATCH", f"{MAPPINGS}/{second['id']}", {"realm_id": ""}) == {"external_id"}
    moved = base.call("PATCH", f"{MAPPINGS}/{second['id']}", json={"realm_id": "", "external_id": "44"}).json()
    assert (moved["external_id"], moved["entity_id"]) == ("44", other["id"])
    assert base.call("DELETE", f"{MAPPINGS}/{first['id']}").status_code == 204
    mapped(base, second_id)


def test_members_that_cannot_change_and_texts_that_are_too_long_are_refused_by_name(
    management_base: ManagementBase,
) -> None:
    base = management_base
    mapping = make_entity(base, "external_entity_mapping")
    path = f"{MAPPINGS}/{mapping['id']}"
    for member, value in (
        ("entity_id", str(uuid4())),
        ("webhook_id", mapping["webhook_id"]),
        ("external_id", ""),
        ("external_id", "x" * 256),
        ("realm_id", "x" * 256),
        ("realm_id", None),
        ("sync_status", "gone"),
        ("metadata", []),
    ):
        assert set(problems_of(base.call("PATCH", path, json={member: value}))) == {member}
    assert base.call("GET", path).json() == mapping


def test_lists_are_narrowed_by_webhook_type_id_entity_and_status(management_base: ManagementBase) -> None:
    base = management_base
    first = make_entity(base, "external_entity_mapping")
    second = make_entity(base, "external_entity_mapping", webhook_id=first["webhook_id"])
    base.call("PATCH", f"{MAPPINGS}/{second['id']}", json={"sync_status": "deleted"})
    webhook = {"webhook_id": first["webhook_id"]}
    for filters, expected in (
        (webhook, [second, first]),
        ({"external_id": first["external_id"]}, [first]),
        ({"external_id": first["external_id"].lower()}, []),
        ({"entity_id": second["entity_id"]}, [second]),
        (webhook | {"sync_status": "synced"}, [first]),
        (webhook | {"entity_type": "contact"}, []),
    ):
        listed = base.call("GET", MAPPINGS, params=filters).json()["data"]
        assert [row["id"] for row in listed] == [row["id"] for row in expected], filters
