"""Erasures over the API, done by the real role in the real engine and database, with the receipt they leave."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.postgres import open_pool
from infra.removal import is_removed
from infra.secretbox import SecretBox, load_secret_box, new_key
from management.erasures.log import ErasableLog
from management.erasures.receipts import receipt_hash
from management.erasures.repository import ErasureRepository
from management.erasures.work import ErasureWork
from schemas.records import DeliveryError, ErrorCode
from tests.support.analytics import FACTS, MadeRecord, delivery_ids, outcome_record, request_record
from tests.support.erasures import await_status
from tests.support.management import ManagementBase, bearer
from tests.support.retention import keep
from tests.support.wait import eventually
from tests.support.webhooks import problems_of

Json = dict[str, Any]
TICKET = "0192f0c0-0000-7000-8000-0000000000ff"


@dataclass(frozen=True)
class Person:
    """Somebody whose address stands in deliveries of the first tenant."""

    base: ManagementBase
    clickhouse: ClickHouse
    address: str
    webhook_id: str

    def ids(self, tenant_id: uuid.UUID | None = None) -> Json:
        return {"tenant_id": str(tenant_id or self.base.tenant.id), "webhook_id": self.webhook_id}

    def records(self, *, tenant_id: uuid.UUID | None = None, body: Json | None = None) -> tuple[str, MadeRecord]:
        """A request whose headers and key have the address, too."""
        at_us = now_us()
        [delivery_id] = delivery_ids(1, at_us)
        facts = FACTS.model_copy(update={"headers": {"x-from": self.address}, "query": {"who": self.address}})
        content = orjson.dumps({"contact": {"email": self.address}} if body is None else body)
        members = {
            "dedupe_key": f"k-{self.address}",
            "request": orjson.dumps(facts.model_dump()),
            **self.ids(tenant_id),
        }
        return delivery_id, request_record(delivery_id, at_us, content, **members)

    def delivery(self, **members: Any) -> str:
        delivery_id, record = self.records(**members)
        keep(self.clickhouse, requests=[record])
        return delivery_id

    def outcome(self, delivery_id: str, **members: Any) -> None:
        [row] = self.clickhouse.query(
            "SELECT toUnixTimestamp64Micro(received_at) AS us FROM deliveries WHERE delivery_id = {id:UUID} LIMIT 1",
            {"id": delivery_id},
        )
        keep(self.clickhouse, outcomes=[outcome_record(delivery_id, row["us"], **members, **self.ids())])

    def ask(self, **members: Any) -> Json:
        wanted = {"path": "$.contact.email", "value": self.address, "reason": "art. 17", **members}
        answer = self.base.call("POST", "/erasures", json=wanted)
        assert answer.status_code == 202, answer.text
        asked: Json = answer.json()
        return asked

    def shown(self, delivery_id: str, tenant: Any = None) -> Json:
        headers = (tenant or self.base.tenant).headers
        shown: Json = self.base.call("GET", f"/deliveries/{delivery_id}", headers=headers).json()
        return shown

    def in_the_log(self, delivery_id: str) -> bool:
        """Whether any row of the delivery has the address, merged or not."""
        rows = self.clickhouse.query("SELECT * FROM deliveries WHERE delivery_id = {id:UUID}", {"id": delivery_id})
        assert rows
        return any(self.address in str(row) for row in rows)


@pytest.fixture
def person(
    request: pytest.FixtureRequest,
    management_base: ManagementBase,
    clickhouse_engine: ClickHouse,
    monkeypatch: pytest.MonkeyPatch,
) -> Person:
    """Erasures do not wait for files to go, but in the test that looks for these."""
    monkeypatch.setattr(ErasureWork, "look_seconds", 0.05)
    monkeypatch.setattr("management.erasures.work._REMOVAL_POLL_SECONDS", 0.05)
    if request.node.get_closest_marker("usefixtures") is None:
        monkeypatch.setattr("management.erasures.work.is_removed", lambda *_: _is_written(clickhouse_engine))
    return Person(management_base, clickhouse_engine, f"{uuid.uuid4().hex[:16]}@x.example", str(uuid.uuid4()))


def _is_written(clickhouse: ClickHouse) -> bool:
    return clickhouse.query("SELECT 1 AS one FROM system.mutations WHERE NOT is_done") == []


def files_with(folder: Path, text: str) -> list[Path]:
    """`os.walk` passes over folders that the engine takes away meanwhile."""
    files = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return [path for path in files if path.is_file() and text.encode() in _content(path)]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # the engine has just let go of it
        return b""


@pytest.mark.usefixtures("clickhouse_engine")
def test_no_file_of_the_engine_has_the_value_once_the_receipt_says_so(
    person: Person, stack_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked for as soon as it is said to be gone, and when the receipt is there."""
    folder, left = stack_folder / "clickhouse", list[Path]()

    def watched(clickhouse: ClickHouse, version: int) -> bool:
        removed = is_removed(clickhouse, version)
        if removed:
            left.extend(files_with(folder, person.address))
        return removed

    monkeypatch.setattr("management.erasures.work.is_removed", watched)
    person.outcome(person.delivery(), handler_outcome={"who": person.address})
    assert files_with(folder, person.address)
    await_status(person.base, person.ask()["id"])
    assert (left, files_with(folder, person.address)) == ([], [])


def test_everything_of_a_person_goes_and_the_receipt_says_so(person: Person) -> None:
    base = person.base
    told, plain = person.delivery(), person.delivery()
    message = f"no client for {person.address}"
    error = DeliveryError(code=ErrorCode.MAPPING_FAILED, message=message)
    person.outcome(told, handler_outcome={"title": f"of {person.address}"}, error=error)
    person.outcome(plain, stage="actions", handler_outcome={"ticket_id": TICKET})
    elsewhere, others = person.delivery(body={"cc": person.address}), person.delivery(tenant_id=base.other_tenant.id)
    done = await_status(base, person.ask()["id"])
    receipt = done["receipt"]
    assert (receipt["deliveries_matched"], [entry.get("deliveries") for entry in receipt["cleared"]]) == (
        2,
        [2, 1, None],
    )
    for delivery_id in (told, plain):
        assert not person.in_the_log(delivery_id)
        shown = person.shown(delivery_id)
        assert (shown["request"]["headers"], shown["request"]["query"]) == ({}, {})
        assert (shown["request"]["body"], shown["erased_at"] is None) == ("", False)
        assert shown["dispatch_status"] == "dispatched"
    assert person.shown(told)["handler_outcome"] is None
    assert person.shown(plain)["handler_outcome"] == {"ticket_id": TICKET}
    assert person.in_the_log(elsewhere)
    assert person.in_the_log(others)
    assert person.shown(others, base.other_tenant)["erased_at"] is None
    postgres = next(entry for entry in receipt["remaining"] if entry["store"] == "postgres")
    assert postgres["entities"] == [f"ticket_id={TICKET}"]


def test_the_value_stands_nowhere_and_the_receipt_is_held_by_the_audit(person: Person) -> None:
    base = person.base
    person.delivery()
    asked = person.ask()
    done = await_status(base, asked["id"])
    assert done["receipt_hash"] == receipt_hash(done["receipt"])
    entries = base.rows(
        "SELECT action, after FROM audit_entries WHERE resource_id = %s ORDER BY occurred_at", (asked["id"],)
    )
    assert [entry["action"] for entry in entries] == ["erasure.asked", "erasure.done"]
    assert entries[1]["after"] == {"revision": 1, "receipt_hash": done["receipt_hash"]}
    for table in ("erasures", "audit_entries"):
        rows = base.rows(f"SELECT row_to_json(t)::text AS row FROM {table} t")  # noqa: S608
        assert rows
        assert not any(person.address in row["row"] for row in rows)
    assert person.address not in str(person.clickhouse.query("SELECT * FROM system.mutations"))
    assert person.address not in str([asked, done, base.call("GET", "/erasures").json()])


def test_one_body_goes_and_the_rest_of_its_row_stays(person: Person) -> None:
    delivery_id = person.delivery()
    answer = person.base.call("DELETE", f"/deliveries/{delivery_id}/body")
    assert (answer.status_code, answer.json()["kind"]) == (202, "body")
    receipt = await_status(person.base, answer.json()["id"])["receipt"]
    assert (receipt["deliveries_matched"], len(receipt["cleared"])) == (1, 2)
    shown = person.shown(delivery_id)
    assert (shown["request"]["body"], shown["request"]["headers"]) == ("", {"x-from": person.address})
    assert shown["request"]["body_bytes"] > 0
    rows = person.clickhouse.query(
        "SELECT body, body_head FROM deliveries WHERE delivery_id = {id:UUID}", {"id": delivery_id}
    )
    assert person.address not in str(rows)


def test_what_comes_back_from_kafka_goes_again_until_the_erasure_ends(person: Person) -> None:
    base = person.base
    delivery_id, record = person.records()
    keep(person.clickhouse, requests=[record])
    first = await_status(base, person.ask()["id"])
    keep(person.clickhouse, requests=[record])
    person.outcome(delivery_id, handler_outcome={"who": person.address})
    assert person.in_the_log(delivery_id)
    base.write("UPDATE erasures SET next_look_at = now() WHERE id = %s", (first["id"],))

    def second() -> Json:
        shown: Json = base.call("GET", f"/erasures/{first['id']}").json()
        return shown

    eventually(lambda: second()["receipt"]["revision"] == 2, timeout_seconds=60, what="the second receipt")
    assert not person.in_the_log(delivery_id)
    receipt = second()["receipt"]
    assert (receipt["previous_hash"], receipt["deliveries_matched"]) == (first["receipt_hash"], 1)
    base.write("UPDATE erasures SET in_force_until = now(), next_look_at = now() WHERE id = %s", (first["id"],))
    sealed = "SELECT sealed_value FROM erasures WHERE id = %s"
    eventually(
        lambda: base.rows(sealed, (first["id"],)) == [{"sealed_value": None}],
        timeout_seconds=60,
        what="the value is forgotten",
    )


class _DiedError(Exception):
    """Stands for a process that ends."""


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (ErasableLog, "note"),
        (ErasableLog, "clear"),
        (ErasureRepository, "note_removal"),
        (ErasureRepository, "note_done"),
    ],
)
def test_whoever_dies_in_between_leaves_it_to_be_gone_on_with(
    person: Person, monkeypatch: pytest.MonkeyPatch, owner: type, step: str
) -> None:
    """Before each step that changes something. The role is kept from it meanwhile: it is not due."""
    base = person.base
    erasure_id = await_status(base, person.ask()["id"])["id"]
    delivery_id = person.delivery()
    base.write(
        "UPDATE erasures SET status = 'pending', asked_at = now(), next_look_at = now() + interval '1 day', "
        "receipt = NULL, receipt_hash = NULL WHERE id = %s",
        (erasure_id,),
    )
    pool = open_pool(base.settings.postgres)
    work = ErasureWork(base.settings.postgres, pool, person.clickhouse, load_secret_box(base.settings))

    def die(*_: object, **__: object) -> None:
        raise _DiedError

    def dies() -> bool:
        [row] = base.rows("SELECT * FROM erasures WHERE id = %s", (erasure_id,))
        try:
            work.go_on(row)
        except _DiedError:
            return True
        return False

    with monkeypatch.context() as patch:
        patch.setattr(ErasureRepository, "note_wait", lambda *_: None)
        patch.setattr(owner, step, die)
        eventually(dies, timeout_seconds=60, what="the work to die")
    pool.close()
    base.write("UPDATE erasures SET next_look_at = now() WHERE id = %s", (erasure_id,))
    receipt = await_status(base, erasure_id)["receipt"]
    assert receipt["deliveries_matched"] == 1
    assert not person.in_the_log(delivery_id)


def test_a_value_that_no_key_opens_fails_and_says_why(person: Person) -> None:
    sealed = SecretBox([new_key()]).seal(person.address, context="other")
    asked = await_status(person.base, person.ask()["id"])
    person.base.write(
        "UPDATE erasures SET sealed_value = %s, status = 'pending', next_look_at = now() WHERE id = %s",
        (sealed, asked["id"]),
    )
    failed = await_status(person.base, asked["id"], "failed")
    assert "master key" in failed["failure"]


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ({"path": "$.a[", "value": "x", "reason": "r"}, "path"),
        ({"path": "$.a", "value": "", "reason": "r"}, "value"),
        ({"path": "$.a", "value": "x" * 1_025, "reason": "r"}, "value"),
        ({"path": "$.a", "value": "x", "reason": ""}, "reason"),
        ({"path": "$.a", "value": "x"}, "reason"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_by_name(management_base: ManagementBase, wanted: Json, path: str) -> None:
    answer = management_base.call("POST", "/erasures", json=wanted)
    assert path in problems_of(answer)


def test_erasing_takes_its_own_permission_and_is_bounded(
    management_base: ManagementBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = bearer(management_base.new_key("delivery:read"))
    assert management_base.call("GET", "/erasures", headers=reader).status_code == 403
    assert management_base.call("DELETE", f"/deliveries/{uuid.uuid4()}/body").status_code == 404
    monkeypatch.setattr("management.erasures.repository.OPEN_MAX", 0)
    wanted = {"path": "$.a", "value": "x", "reason": "r"}
    assert management_base.call("POST", "/erasures", json=wanted).status_code == 409
