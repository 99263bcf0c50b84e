"""An ordering key keeps the requests of one thing in order up to their effects, and a failing one stops no other."""

import json
import random
import threading
from collections import Counter, defaultdict
from typing import Any

import pytest

from schemas.records import DispatchStatus
from schemas.webhooks import WebhookConfig
from tests.support.ingress import RawConnection, signed
from tests.support.line import Line, line
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

FIXTURES = (line,)
_SITES, _ASSETS_PER_SITE, _UPDATES = 10, 5, 20
_CONNECTIONS = 5
#: What makes an update fail, and the code of its failure: one of each per asset.
_FAULTS = {4: "MAPPING_FAILED", 9: "LOOKUP_MISS", 14: "VALIDATION_ERROR"}
_WEBHOOK: dict[str, Any] = {
    "ordering_key": "site",
    "handler_config": {
        "action": "upsertAssetByExternalId",
        "field_mapping": {
            "external_id": "asset",
            "client_id": "fault = 'LOOKUP_MISS' ? null : 'Acme Ltd'",
            "client_external_id": "fault = 'LOOKUP_MISS' ? 'nobody'",
            "status": "fault = 'MAPPING_FAILED' ? $error('no status') : number",
            "name": "fault = 'VALIDATION_ERROR' ? {} : asset",
        },
    },
}


def _updates(site: int) -> list[dict[str, Any]]:
    """Updates of one site, its assets mixed; `number` counts them."""
    assets = [asset for asset in range(_ASSETS_PER_SITE) for _ in range(_UPDATES)]
    random.Random(site).shuffle(assets)
    met: Counter[int] = Counter()
    made = []
    for number, asset in enumerate(assets):
        fault = _FAULTS.get(met[asset], "none")
        met[asset] += 1
        made.append({"site": f"site-{site}", "asset": f"asset-{site}-{asset}", "number": number, "fault": fault})
    return made


def _send_all(line: Line, config: WebhookConfig, killed: threading.Event) -> dict[str, dict[str, Any]]:
    """Every update of every site, the sites interleaved; a site's next one goes off after the answer to the one before.

    The second half goes off once something was `killed`: however fast all is, half of it is still to be done then.
    Gives the updates by delivery id.
    """
    sent: dict[str, dict[str, Any]] = {}

    def send(sites: range) -> None:
        with RawConnection(line.ingress.port) as connection:
            for number, updates in enumerate(zip(*(_updates(site) for site in sites), strict=True)):
                if number == _ASSETS_PER_SITE * _UPDATES // 2:
                    killed.wait()
                for update in updates:
                    connection.send(signed(config, json.dumps(update).encode()))
                    answer = connection.receive()
                    assert answer.status == 200
                    sent[answer.json["delivery_id"]] = update

    threads = [
        threading.Thread(target=send, args=(range(number, _SITES, _CONNECTIONS),)) for number in range(_CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent


def _history(line: Line, config: WebhookConfig) -> dict[str, list[int]]:
    """The numbers of the updates that took effect, by site, in the order of their events."""
    by_site: dict[str, list[int]] = defaultdict(list)
    rows = line.base.rows(
        "SELECT payload FROM outbox WHERE event_type IN ('asset.created', 'asset.updated')"
        " AND payload->'actor'->>'id' = %s ORDER BY position",
        [config.webhook_id],
    )
    for row in rows:
        asset = row["payload"]["data"]
        by_site[f"site-{asset['name'].split('-')[1]}"].append(int(asset["status"]))
    return by_site


def _assert_in_order(line: Line, config: WebhookConfig, sent: dict[str, dict[str, Any]]) -> None:
    assert len(sent) == _SITES * _ASSETS_PER_SITE * _UPDATES
    line.outcomes.await_outcomes(list(sent))
    history = _history(line, config)
    assert set(history) == {f"site-{site}" for site in range(_SITES)}
    last_good: dict[str, int] = {}
    for site in range(_SITES):
        good = {update["number"]: update["asset"] for update in _updates(site) if update["fault"] == "none"}
        last_good |= {asset: number for number, asset in good.items()}
        assert history[f"site-{site}"] == sorted(good), f"site {site} went backwards, or lost an update"
    statuses = line.base.rows(
        "SELECT name, status FROM assets JOIN external_entity_mappings ON entity_id = id WHERE webhook_id = %s",
        [config.webhook_id],
    )
    assert {row["name"]: int(row["status"]) for row in statuses} == last_good
    for delivery, update in sent.items():
        outcome = line.outcomes.of(delivery)
        if update["fault"] == "none":
            assert outcome.dispatch_status is DispatchStatus.DISPATCHED
        else:
            assert outcome.error is not None
            assert outcome.error.code == update["fault"]


@pytest.mark.timeout(300)
def test_interleaved_updates_keep_their_order_past_failures_and_the_kill_of_processors_and_sink(line: Line) -> None:
    config = line.webhook("assets", **_WEBHOOK)
    line.workers.start("w0")
    line.start_sink(batch_records_max=20)
    sent: dict[str, dict[str, Any]] = {}
    killed = threading.Event()
    sending = threading.Thread(target=lambda: sent.update(_send_all(line, config, killed)))
    sending.start()
    try:
        eventually(lambda: line.base.count("assets") > _SITES, timeout_seconds=60, what="the first assets")
        line.kill_sink()
        line.workers.kill("w0")
        done = sum(len(numbers) for numbers in _history(line, config).values())
    finally:
        killed.set()
    line.workers.start("w0")
    line.start_sink(batch_records_max=20)
    sending.join()
    assert 0 < done < len(sent) / 2, "killed before anything was done, or after everything was"
    _assert_in_order(line, config, sent)
