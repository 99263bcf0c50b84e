"""Invoices that senders settle: paid once, unpaid again, cancelled for good."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from sinks.actions.execution import Outcome
from sinks.actions.invoices import MARK_INVOICE_PAID, UPDATE_INVOICE_STATUS
from tests.support.actions import ActionBase, add, add_mapping, add_tenant, refusal_of, request_of, row_of, take_events
from tests.support.statements import statements_of

PAID, STATUS = "markInvoicePaidByExternalId", "updateInvoiceStatusByExternalId"
RECEIVED_US = 1_772_366_400_000_000
RECEIVED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    base = ActionBase.prepare(migrated_dsn)
    add_mapping(base, "invoice", "I-1", base.tenant.ids["invoice"])
    return base


def request(base: ActionBase, action: str, fields: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    return request_of(base, action, {"external_id": "I-1"} | dict(fields), received_at=RECEIVED_US, **members)


def settle(base: ActionBase, action: str, **fields: Any) -> Outcome:
    (outcome,) = base.run(request(base, action, fields))
    return outcome


def payment(base: ActionBase, outcome: Outcome) -> tuple[str, datetime | None, str | None]:
    row = row_of(base, "invoices", outcome)
    return row["status"], row["paid_at"], row["payment_reference"]


def test_a_payment_is_told_once_and_the_first_one_stays(base: ActionBase) -> None:
    request_paid = request(base, PAID, {"paid_at": "2026-02-27T10:00:00+01:00", "payment_reference": "R-1"}, hops=1)
    (first,) = base.run(request_paid)
    paid = ("paid", datetime(2026, 2, 27, 9, 0, tzinfo=UTC), "R-1")
    assert payment(base, first) == paid
    assert first.body | {"message": ""} == {
        "action": PAID,
        "entity_type": "invoice",
        "entity_id": str(base.tenant.ids["invoice"]),
        "external_id": "I-1",
        "created": False,
        "changed": True,
        "message": "",
        "metadata": {"updated_fields": ["paid_at", "payment_reference", "status"]},
    }
    changed, told = take_events(base)
    assert (changed["type"], told["type"]) == ("invoice.status_changed", "invoice.paid")
    assert changed["changes"]["status"] == {"previous": "sent", "new": "paid"}
    assert told["changes"] == {
        "paid_at": {"previous": None, "new": "2026-02-27T09:00:00.000Z"},
        "payment_reference": {"previous": None, "new": "R-1"},
    }
    assert (told["hops"], told["causation_id"]) == (2, request_paid["delivery_id"])
    assert told["actor"] == {"type": "webhook", "id": str(base.webhook_id), "name": "rmm-alerts"}
    assert (told["data"]["number"], told["data"]["status"]) == ("INV-0001", "paid")
    updated_at = row_of(base, "invoices", first)["updated_at"]
    again = [settle(base, PAID, payment_reference="R-2"), settle(base, STATUS, status="paid")]
    assert [outcome.body["changed"] for outcome in again] == [False, False]
    assert payment(base, again[-1]) == paid
    assert row_of(base, "invoices", first)["updated_at"] == updated_at
    assert take_events(base) == []


def test_without_a_time_an_invoice_was_paid_when_its_delivery_came(base: ActionBase) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        (PAID, {}),
        (PAID, {"paid_at": None, "payment_reference": None}),
        (STATUS, {"status": "paid"}),
    ]
    for action, fields in cases:
        assert payment(base, settle(base, STATUS, status="overdue")) == ("overdue", None, None)
        assert payment(base, settle(base, action, **fields)) == ("paid", RECEIVED, None)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_time_there_are_stored_and_told(base: ActionBase, text: str) -> None:
    paid = ("paid", datetime.fromisoformat(text), None)
    assert payment(base, settle(base, PAID, paid_at=text)) == paid
    assert {event["data"]["paid_at"][:10] for event in take_events(base)} == {text[:10]}
    assert payment(base, settle(base, PAID)) == paid


def test_of_payments_that_come_at_once_one_is_the_first(base: ActionBase) -> None:
    requests = [request(base, PAID, {"payment_reference": f"R-{number}"}) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        outcomes = [outcome for batch in threads.map(base.run, requests) for outcome in batch]
    (first,) = (number for number, outcome in enumerate(outcomes) if outcome.body["changed"])
    assert payment(base, outcomes[0]) == ("paid", RECEIVED, f"R-{first}")
    assert len(take_events(base)) == 2


def test_an_invoice_that_is_no_longer_paid_has_no_payment(base: ActionBase) -> None:
    settle(base, PAID, payment_reference="R-1")
    take_events(base)
    outcome = settle(base, STATUS, status="partially_applied")
    assert payment(base, outcome) == ("partially_applied", None, None)
    (event,) = take_events(base)
    assert event["type"] == "invoice.status_changed"
    assert event["changes"].keys() == {"status", "paid_at", "payment_reference"}
    assert event["changes"]["payment_reference"] == {"previous": "R-1", "new": None}


def test_a_cancelled_invoice_is_changed_by_nobody_and_named_in_the_refusal(base: ActionBase) -> None:
    assert payment(base, settle(base, STATUS, status="cancelled")) == ("cancelled", None, None)
    assert [event["type"] for event in take_events(base)] == ["invoice.status_changed"]
    again = settle(base, STATUS, status="cancelled")
    assert (again.status, again.body["changed"]) == ("dispatched", False)
    refused = {
        "field_mapping.external_id": settle(base, PAID),
        "field_mapping.status": settle(base, STATUS, status="sent"),
    }
    for path, outcome in refused.items():
        assert refusal_of(outcome) == ("CONFLICT", path)
        assert f"invoice INV-0001 ({base.tenant.ids['invoice']})" in outcome.body["message"]
    assert payment(base, again) == ("cancelled", None, None)
    assert take_events(base) == []


def test_what_does_not_fit_names_its_field(base: ActionBase) -> None:
    cases: list[tuple[str, dict[str, Any], str]] = [
        (PAID, {"external_id": None}, "external_id"),
        (PAID, {"external_id": "x" * 256}, "external_id"),
        (PAID, {"paid_at": "2026-03-01 at noon"}, "paid_at"),
        (PAID, {"payment_reference": {"a": 1}}, "payment_reference"),
        (STATUS, {"status": "Paid"}, "status"),
        (STATUS, {"status": None}, "status"),
        (STATUS, {}, "status"),
        (STATUS, {"status": "paid", "paid_at": "2026-03-01T00:00:00Z"}, "paid_at"),
    ]
    for action, fields, path in cases:
        assert refusal_of(settle(base, action, **fields)) == ("VALIDATION_ERROR", f"field_mapping.{path}"), fields
    assert take_events(base) == []


def test_an_id_that_is_not_mapped_is_a_miss_whoever_else_has_it(base: ActionBase) -> None:
    other, webhook = add_tenant(base), uuid4()
    client = add(base, "clients", tenant_id=other, name="Acme Ltd")
    invoice = add(base, "invoices", tenant_id=other, client_id=client, number="INV-0001", status="sent", currency="EUR")
    add(base, "webhooks", tenant_id=other, id=webhook, slug="theirs", name="Theirs")
    base.write(
        "INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id) "
        "VALUES (%s, %s, %s, 'invoice', 'theirs', %s)",
        [other, uuid4(), webhook, invoice],
    )
    foreign = {"options": {"external_ids_of": str(webhook)}}
    requests = [
        request(base, action, fields | {"external_id": external_id}, **members)
        for action, fields in ((PAID, {}), (STATUS, {"status": "paid"}))
        for external_id, members in (("I-2", {}), ("theirs", foreign))
    ]
    for outcome in base.run(*requests):
        assert refusal_of(outcome) == ("LOOKUP_MISS", "field_mapping.external_id")
        assert "invoice" in outcome.body["message"]
    assert {row["status"] for row in base.rows("SELECT status FROM invoices")} == {"sent"}


def test_another_webhook_settles_by_the_ids_of_the_first(base: ActionBase) -> None:
    other = uuid4()
    base.register(other)
    members = {"webhook_id": str(other), "options": {"external_ids_of": str(base.webhook_id)}}
    (paid,) = base.run(request(base, PAID, {}, **members))
    (own,) = base.run(request(base, PAID, {}, webhook_id=str(other)))
    assert payment(base, paid)[0] == "paid"
    assert refusal_of(own) == ("LOOKUP_MISS", "field_mapping.external_id")


def test_a_batch_settles_each_invoice_alone_and_one_id_in_its_order(base: ActionBase) -> None:
    ids: dict[str, UUID] = {"I-1": base.tenant.ids["invoice"]}
    for number in range(2, 12):
        external_id = f"I-{number}"
        columns = {"client_id": base.tenant.ids["client"], "number": external_id, "currency": "EUR"}
        ids[external_id] = add(base, "invoices", **columns)
        add_mapping(base, "invoice", external_id, ids[external_id])
    requests = [request(base, PAID, {"external_id": external_id}) for external_id in ids]
    requests[3] = request(base, PAID, {"external_id": "nobody"})
    requests += [request(base, STATUS, {"status": "sent"}), request(base, STATUS, {"status": "cancelled"})]
    outcomes = base.run(*requests)
    assert [number for number, outcome in enumerate(outcomes) if outcome.status == "failed"] == [3]
    assert refusal_of(outcomes[3]) == ("LOOKUP_MISS", "field_mapping.external_id")
    statuses = {row["id"]: row["status"] for row in base.rows("SELECT id, status FROM invoices")}
    left = {external_id: statuses[invoice_id] for external_id, invoice_id in ids.items()}
    assert left == dict.fromkeys(ids, "paid") | {"I-1": "cancelled", "I-4": "draft"}


def test_a_set_of_any_size_takes_the_same_few_statements(base: ActionBase) -> None:
    for number in range(2, 10):
        columns = {"client_id": base.tenant.ids["client"], "number": f"I-{number}", "currency": "EUR"}
        add_mapping(base, "invoice", f"I-{number}", add(base, "invoices", **columns))
    for action, definition, fields in (
        (STATUS, UPDATE_INVOICE_STATUS, {"status": "overdue"}),
        (PAID, MARK_INVOICE_PAID, {}),
    ):
        sets = [
            [request(base, action, fields | {"external_id": f"I-{number}"}) for number in numbers]
            for numbers in ((1, 2), range(3, 10))
        ]
        few, many = (statements_of(base, definition, requests) for requests in sets)
        assert len(few) == len(many) <= 3
