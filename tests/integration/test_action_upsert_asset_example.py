"""The documented example of an RMM webhook, from its mapping to the asset."""

from typing import Any

import orjson
import pytest

from infra.jsonata import ENGINES
from tests.support.actions import ActionBase, add_mapping, refusal_of
from tests.support.assets import ACTION, asset_of, documented, mappings, take_event_types
from tests.support.documented import mapped_fields

DOCUMENTED_BODY = {
    "event": {"id": "evt-1", "type": "device.updated"},
    "device": {"id": 8812, "hostname": "FRONTDESK-07", "status": "online"},
    "organization": {"id": "org-17", "name": "Acme"},
}


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    return ActionBase.prepare(migrated_dsn)


def documented_fields(engine: str) -> dict[str, Any]:
    """The documented mapping over a plausible body, coerced as processors do."""
    handler = orjson.loads(documented("json"))["handler_config"]
    assert handler["action"] == ACTION
    return mapped_fields(handler, DOCUMENTED_BODY, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_documented_example_makes_and_updates_an_asset_of_the_mapped_client(base: ActionBase, engine: str) -> None:
    fields = documented_fields(engine)
    missed = base.run(base.request({"title": ..., "client_id": ...} | fields, action=ACTION))[0]
    assert refusal_of(missed) == ("LOOKUP_MISS", "field_mapping.client_external_id")
    assert "'org-17'" in missed.body["message"]
    add_mapping(base, "client", "org-17", base.tenant.ids["client"])
    request = base.request({"title": ..., "client_id": ...} | fields, action=ACTION)
    (outcome,) = base.run(request)
    asset = asset_of(base, outcome)
    assert (asset["name"], asset["asset_type"], asset["status"]) == ("FRONTDESK-07", "workstation", "online")
    assert asset["client_id"] == base.tenant.ids["client"]
    assert mappings(base)[0]["external_id"] == "8812"
    assert outcome.body["metadata"]["warnings"] == ["snapshot_not_normalized"]
    later = base.request({"title": ..., "client_id": ...} | fields | {"status": "offline"}, action=ACTION)
    assert asset_of(base, base.run(later)[0]) | {"updated_at": None} == asset | {
        "status": "offline",
        "updated_at": None,
    }
    assert take_event_types(base) == ["asset.created", "asset.updated"]
