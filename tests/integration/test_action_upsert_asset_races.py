"""Upserts of one asset that meet: however they interleave, one asset comes of it and none of them fails."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from sinks.actions.assets import UPSERT_ASSET
from sinks.actions.assets.asset_set import QUERIES
from sinks.actions.execution import Outcome
from tests.support.actions import ActionBase
from tests.support.assets import asset_request, mappings, upsert
from tests.support.interruptions import interrupted

DEVICE = {"device_id": "9", "provider": "acme-rmm"}


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    return ActionBase.prepare(migrated_dsn)


@pytest.mark.parametrize("snapshot", [None, DEVICE, {"device_id": "9"}])
def test_fifty_parallel_upserts_of_one_id_make_one_asset(base: ActionBase, snapshot: dict[str, Any] | None) -> None:
    fields: dict[str, Any] = {"asset_tag": "T-1"} | ({} if snapshot is None else {"rmm_snapshot": snapshot})
    requests = [asset_request(base, fields | {"location": f"Rack {number}"}) for number in range(50)]
    with ThreadPoolExecutor(8) as threads:
        outcomes = [outcome for batch in threads.map(base.run, requests) for outcome in batch]
    assert {outcome.status for outcome in outcomes} == {"dispatched"}
    assert len({outcome.body["entity_id"] for outcome in outcomes}) == 1
    assert sum(outcome.body["created"] for outcome in outcomes) == 1
    assert base.count("assets") == 2  # with the demo's own
    assert len(mappings(base)) == 1


def test_two_webhooks_that_tell_of_one_device_at_once_share_its_asset(base: ActionBase) -> None:
    webhooks = [uuid4() for _ in range(8)]
    for webhook_id in webhooks:
        base.register(webhook_id)
    requests = [
        asset_request(base, {"external_id": str(index), "rmm_snapshot": DEVICE}, webhook_id=str(webhook_id))
        for index, webhook_id in enumerate(webhooks)
    ]
    with ThreadPoolExecutor(8) as threads:
        outcomes = [outcome for batch in threads.map(base.run, requests) for outcome in batch]
    assert {outcome.status for outcome in outcomes} == {"dispatched"}
    assert len({outcome.body["entity_id"] for outcome in outcomes}) == 1
    assert len(mappings(base)) == 8


@pytest.mark.parametrize("option", ["fail", "link"])
@pytest.mark.parametrize(
    ("fields", "is_known_elsewhere"),
    [({}, False), ({"asset_tag": "T-1"}, False), ({"rmm_snapshot": DEVICE}, False), ({"rmm_snapshot": DEVICE}, True)],
)
def test_an_id_that_is_mapped_between_look_and_write_is_found_in_the_next_try(
    base: ActionBase, fields: dict[str, Any], option: str, is_known_elsewhere: bool
) -> None:
    other = uuid4()
    base.register(other)
    members: dict[str, Any] = {"options": {"on_duplicate": option}}
    if is_known_elsewhere:
        upsert(base, fields, webhook_id=str(other))
    outcome = run_interrupted(base, fields, members, looks_before=0)
    assert (outcome.status, outcome.body.get("created")) == ("dispatched", False), outcome.body
    assert {row["entity_id"] for row in mappings(base)} == {UUID(outcome.body["entity_id"])}
    assert base.count("assets") == 2  # with the demo's own


def test_an_asset_that_is_linked_to_the_same_id_after_the_last_look_is_no_conflict(base: ActionBase) -> None:
    fields: dict[str, Any] = {"asset_tag": "ACME-0001"}
    outcome = run_interrupted(base, fields, {"options": {"on_duplicate": "link"}}, looks_before=1)
    assert (outcome.status, outcome.body["changed"]) == ("dispatched", False), outcome.body
    assert outcome.body["entity_id"] == str(base.tenant.ids["asset"])
    assert len(mappings(base)) == 1


def run_interrupted(base: ActionBase, fields: dict[str, Any], members: dict[str, Any], *, looks_before: int) -> Outcome:
    """Run an upsert whose first try is overtaken by another one of the same id."""
    registry = interrupted(
        UPSERT_ASSET, QUERIES["lock_mappings"], lambda: upsert(base, fields, **members), looks_before=looks_before
    )
    (outcome,) = base.run(asset_request(base, fields, **members), registry=registry)
    return outcome
