"""Many asset reports of one batch: as if one after the other, with as many statements as for two."""

import random
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from hookline.embedded.postgres import PostgresServer
from infra.clock import now_us
from sinks.actions.assets import UPSERT_ASSET
from tests.support.actions import ActionBase, refusal_of
from tests.support.assets import FULL_SNAPSHOT, asset_of, asset_request, details_of, mappings
from tests.support.stack import new_database
from tests.support.statements import statements_of

WEBHOOKS = [UUID(int=number << 96) for number in (1, 2, 3)]
DEVICE = {"device_id": "9", "provider": "acme-rmm"}
TABLES = ("assets", "asset_rmm_details", "external_entity_mappings", "applied_commands")


@pytest.fixture
def base(database_dsn: str) -> ActionBase:
    return prepared(database_dsn)


@pytest.fixture
def other_base(postgres: PostgresServer) -> Iterator[ActionBase]:
    with new_database(postgres.dsn) as dsn:
        yield prepared(dsn)


def prepared(dsn: str) -> ActionBase:
    base = ActionBase.prepare(dsn)
    for webhook_id in WEBHOOKS:
        base.register(webhook_id)
    return base


def through(base: ActionBase, webhook: int, fields: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    return asset_request(base, fields, webhook_id=str(WEBHOOKS[webhook]), **members)


def test_two_reports_of_one_new_device_in_a_set_share_its_asset(base: ActionBase) -> None:
    first, second, told_first = base.run(
        through(base, 0, {"external_id": "a", "rmm_snapshot": DEVICE | {"hostname": "srv"}}),
        through(base, 1, {"external_id": "b", "rmm_snapshot": DEVICE | {"os_name": "Windows"}}),
        through(base, 2, {"external_id": "c", "rmm_snapshot": DEVICE | {"serial_number": "S1"}}),
    )
    assert [first.body["created"], second.body["created"], told_first.body["created"]] == [True, False, False]
    assert first.body["entity_id"] == second.body["entity_id"] == told_first.body["entity_id"]
    details = details_of(base, first)
    assert (details["hostname"], details["os_name"], asset_of(base, first)["serial_number"]) == ("srv", "Windows", "S1")
    assert second.body["metadata"] == {"updated_fields": ["rmm.os_name"]}
    [elsewhere] = base.run(through(base, 0, {"external_id": "d", "rmm_snapshot": DEVICE | {"serial_number": "S2"}}))
    assert elsewhere.body["created"]
    assert len(mappings(base)) == 4


def test_a_tag_that_an_earlier_report_of_the_set_took_is_taken_and_one_it_gave_up_is_free(base: ActionBase) -> None:
    taken = [through(base, 0, {"external_id": str(number), "asset_tag": "T-1"}) for number in range(2)]
    linked = through(base, 1, {"asset_tag": "t-1", "location": "Rack"}, options={"on_duplicate": "link"})
    first, second, third = base.run(*taken, linked)
    assert refusal_of(second) == ("CONFLICT", "field_mapping.asset_tag")
    assert first.body["entity_id"] in second.body["message"]
    assert third.body["entity_id"] == first.body["entity_id"]
    assert asset_of(base, third)["location"] == "Rack"
    moved = [through(base, 0, {"external_id": number, "asset_tag": tag}) for number, tag in (("0", None), ("1", "T-1"))]
    assert [outcome.status for outcome in base.run(*moved)] == ["dispatched", "dispatched"]
    tags = {row["name"]: row["asset_tag"] for row in base.rows("SELECT name, asset_tag FROM assets")}
    assert (tags["0"], tags["1"]) == (None, "T-1")


def test_what_a_report_is_refused_for_is_nothing_to_its_neighbours(base: ActionBase) -> None:
    wrong: list[dict[str, Any]] = [
        {"client_id": ...},
        {"rmm_snapshot": {"device_id": "x", "disks": [{}]}},
        {"client_id": ..., "client_external_id": "nobody"},
        {"asset_tag": "acme-0001"},
    ]
    requests = [
        through(base, 0, {"external_id": f"{number}"} | (wrong[number // 2] if number % 2 else {"location": "Rack"}))
        for number in range(8)
    ]
    outcomes = base.run(*requests)
    assert [outcome.status == "dispatched" for outcome in outcomes] == [True, False] * 4
    assert [refusal_of(outcome)[1] for outcome in outcomes[1::2]] == [
        "field_mapping.client_id",
        "field_mapping.rmm_snapshot.disks[0].name",
        "field_mapping.client_external_id",
        "field_mapping.asset_tag",
    ]
    assert len(mappings(base)) == 4
    assert base.count("outbox") == 4


def test_a_hundred_reports_take_as_many_statements_as_two(base: ActionBase) -> None:
    def requests(prefix: str, count: int, **members: Any) -> list[dict[str, Any]]:
        return [
            through(
                base,
                number % 3,
                {
                    "external_id": f"{prefix}{number}",
                    "asset_tag": f"{prefix}{number}",
                    "rmm_snapshot": FULL_SNAPSHOT | {"device_id": f"{prefix}{number}"} | members,
                },
            )
            for number in range(count)
        ]

    for members in ({}, {"os_version": "2025", "scope_id": "site-2"}, {"last_user": "eve"}):
        few, many = (
            statements_of(base, UPSERT_ASSET, requests(p, n, **members)) for p, n in (("few-", 2), ("many-", 100))
        )
        assert few == many
        assert len(many) <= 14


def random_request(base: ActionBase, randomness: random.Random, webhook: int, external_id: str) -> dict[str, Any]:
    """A report that may mean what another one means: few ids, devices, serial numbers, scopes and tags."""
    fields: dict[str, Any] = {"external_id": external_id, "location": randomness.choice(["Rack 1", "Rack 2", None])}
    if randomness.random() < 0.4:
        fields["asset_tag"] = randomness.choice(["T-1", "t-1", "T-2", None])
    if randomness.random() < 0.7:
        snapshot: dict[str, Any] = {"device_id": randomness.choice("12"), "scope_id": randomness.choice("ab")}
        snapshot |= randomness.choice([{}, {"provider": "acme-rmm"}, {"provider": "acme-rmm"}])
        snapshot |= randomness.choice([{}, {}, {"serial_number": "S1"}, {"serial_number": "S2"}])
        snapshot |= randomness.choice([{}, {"lifecycle": "offline"}, {"lifecycle": "deleted"}])
        snapshot |= randomness.choice([{}, {"software": [{"name": randomness.choice("xy")}]}])
        fields["rmm_snapshot"] = snapshot
    return through(base, webhook, fields, options={"on_duplicate": randomness.choice(["fail", "link"])})


def test_a_batch_leaves_what_its_commands_leave_one_after_the_other(base: ActionBase, other_base: ActionBase) -> None:
    randomness = random.Random(6)
    kinds: set[tuple[Any, ...]] = set()
    for each in (base, other_base):
        each.write("DELETE FROM assets")  # the demo's own, which is as old as its database
    for _ in range(12):
        ids = [(webhook, external_id) for webhook in range(3) for external_id in ("1", "2", "3")]
        randomness.shuffle(ids)
        requests = [random_request(base, randomness, *each) for each in ids]
        at_us = now_us()
        together = base.run(*requests, at_us=at_us)
        apart = [other_base.run(request, at_us=at_us)[0] for request in requests]
        assert [outcome.body for outcome in together] == [outcome.body for outcome in apart]
        kinds |= {tuple(o.body.get(name) for name in ("created", "changed", "code")) for o in together}
    made, changed, stayed = ((True, True, None), (False, True, None), (False, False, None))
    assert kinds >= {made, changed, stayed, (None, None, "CONFLICT"), (None, None, "VALIDATION_ERROR")}
    for table in TABLES:
        assert stored(base, table) == stored(other_base, table)
    assert told(base) == told(other_base)


def stored(base: ActionBase, table: str) -> list[dict[str, Any]]:
    """Every row of a table in a fixed order; how often it was tried is no matter."""
    rows = base.rows(f"SELECT * FROM {table}")  # noqa: S608  # a test's constant
    return sorted(({name: value for name, value in row.items() if name != "attempts"} for row in rows), key=str)


def told(base: ActionBase) -> list[dict[str, Any]]:
    """Every event, by its id."""
    return [row["payload"] for row in base.rows("SELECT payload FROM outbox ORDER BY event_id")]


def test_a_set_in_which_an_asset_is_gone_misses_it_alone(base: ActionBase) -> None:
    base.write(
        "INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id) "
        "VALUES (%s, %s, %s, 'asset', 'gone', %s)",
        [base.tenant.tenant_id, uuid4(), WEBHOOKS[0], uuid4()],
    )
    gone, there = base.run(through(base, 0, {"external_id": "gone"}), through(base, 0, {"external_id": "there"}))
    assert refusal_of(gone) == ("LOOKUP_MISS", "field_mapping.external_id")
    assert there.body["created"]
