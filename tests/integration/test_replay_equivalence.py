"""Replays through the real pipeline: run again they change nothing, and what is missing is filled in exactly once."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer

from hookline.embedded.postgres import PostgresServer
from infra.clickhouse import ClickHouse
from infra.kafka import consumer_properties
from sinks.clickhouse.role import AnalyticsRole
from tests.support.replay_runs import (
    SOURCE_IP,
    Json,
    RequestWriter,
    await_ended,
    calmly,
    ends_of_raw_topics,
    exported,
    logged_replays,
    start_job,
)
from tests.support.wait import eventually
from tests.support.webhook_stage import WORKER, WebhookStage, webhook_stage

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

WAIT_SECONDS = 120.0
TICKETS, CLIENTS, CHANGES = 12, 6, 80
NEVER_PROCESSED, FINE, FAILED, FILTERED, REPEATED = 10, 15, 10, 5, 5
SENT_TO_FILL = NEVER_PROCESSED + FINE + FAILED + FILTERED + REPEATED
RATE_PER_SECOND = 5_000
#: When something was done last is of the replay, and is meant to be.
_TICKETS = """
SELECT m.external_id, t.id, t.number, t.title, t.description, t.client_id, t.board_id, t.status_id, t.is_closed,
    t.priority_id, t.attributes, t.delivery_id, t.created_at, t.closed_at IS NULL AS is_open
FROM external_entity_mappings m JOIN tickets t ON t.tenant_id = m.tenant_id AND t.id = m.entity_id
WHERE m.webhook_id = %s ORDER BY m.external_id
"""
_CLIENTS = """
SELECT m.external_id, c.id, c.name, c.phone_no, c.created_at
FROM external_entity_mappings m JOIN clients c ON c.tenant_id = m.tenant_id AND c.id = m.entity_id
WHERE m.webhook_id = %s ORDER BY m.external_id
"""
_TOTALS = """
SELECT (SELECT count(*) FROM tickets) AS tickets, (SELECT count(*) FROM clients) AS clients,
    (SELECT count(*) FROM external_entity_mappings) AS mappings
"""


@dataclass
class Stage:
    """`skipped` are requests of the webhook `filled` that no processor has seen, nor will."""

    webhooks: WebhookStage
    writer: RequestWriter
    filled: Json
    skipped: list[str] = field(default_factory=list)

    def send(self, webhook: Json, *bodies: Json) -> list[str]:
        """Requests that are ordered by their external ids."""
        return self.writer.write((webhook["id"], body["id"], body) for body in bodies)

    def await_ended(self, webhook: Json, deliveries: int, *, pending: int = 0) -> None:
        """Until so many deliveries are in the log, and no more than so many have no outcome.

        Outcomes may be there before their requests, which alone have an address.
        """
        total = partial(self._total, webhook_id=webhook["id"])
        eventually(
            calmly(lambda: total(source_ip=SOURCE_IP) == deliveries and total(dispatch_status="pending") == pending),
            timeout_seconds=WAIT_SECONDS,
            what=f"{deliveries} outcomes of {webhook['slug']}",
        )

    def replay(self, selection: Json, mode: str) -> tuple[Json, list[Json]]:
        """A job, and its deliveries in the log, each with its outcome."""
        call = self.webhooks.base.call
        replay_id = start_job(call, selection, mode=mode, rate_per_second=RATE_PER_SECOND)
        job = await_ended(call, replay_id, timeout_seconds=WAIT_SECONDS)
        rows: list[Json] = []

        def logged() -> bool:
            rows[:] = logged_replays(call, job["id"])
            return len(rows) == job["counts"]["published"] and all(row["dispatch_status"] != "pending" for row in rows)

        eventually(calmly(logged), timeout_seconds=WAIT_SECONDS, what=f"outcomes of {job['counts']}")
        return job, rows

    def _total(self, **filters: Any) -> int:
        answer = self.webhooks.base.call("GET", "/deliveries", params={"per_page": 1, **filters})
        return int(answer.json()["meta"]["total"])


@pytest.fixture(scope="module")
def stage(
    postgres: PostgresServer, clickhouse_engine: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("replays")
    with webhook_stage(postgres.dsn, clickhouse_engine, folder, processes=False) as webhooks:
        settings = webhooks.base.settings
        prompt = settings.analytics.model_copy(update={"batch_wait_milliseconds": 200})
        sink = AnalyticsRole(settings.model_copy(update={"analytics": prompt}), clickhouse_engine)
        sink.start()
        writer = RequestWriter(settings.kafka, str(webhooks.base.tenant.id))
        try:
            made = Stage(webhooks, writer, webhooks.create(**_TO_FILL))
            _skip(made)
            webhooks.workers.start(WORKER)
            yield made
        finally:
            writer.close()
            sink.stop(20)


_TO_FILL = {
    "idempotency_source": {"type": "jsonata", "value": "event"},
    "filters": {"all": [{"field": "$.severity", "operator": "not_equals", "value": "info"}]},
    # An external id that is known already is a conflict: what ran twice would show as failed.
    "handler_config": {
        "action": "createTicket",
        "field_mapping": {"external_id": "id", "title": "title", "client_id": "client"},
    },
}


def _skip(stage: Stage) -> None:
    """Requests that are lost to the processors: their group was moved behind them, as by mistake."""
    stage.skipped = stage.send(stage.filled, *(_alert(f"skipped-{number}") for number in range(NEVER_PROCESSED)))
    settings = stage.webhooks.base.settings
    group = Consumer(consumer_properties(settings.kafka, "test", settings.processors.group_id))
    group.commit(offsets=ends_of_raw_topics(settings.kafka), asynchronous=False)
    group.close()


def _alert(name: str, **members: Any) -> Json:
    return {"id": name, "event": name, "title": f"About {name}", "client": "Acme Ltd", "severity": "high", **members}


def test_a_range_that_is_replayed_once_or_twice_leaves_every_entity_as_it_was(stage: Stage) -> None:
    """Times, chance and ids that mappings ask for are the origins'; a duplicate runs in no replay, either."""
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")  # noqa: T201  # shown when it fails
    chance, since = random.Random(seed), datetime.now(UTC).isoformat()
    hooks = _mixed_webhooks(stage.webhooks)
    sent = _send_mixed(stage, hooks, chance)
    selection = {"since": since, "until": datetime.now(UTC).isoformat()}
    live_statuses = Counter(row["dispatch_status"] for row in exported(stage.webhooks.base.call, **selection))
    assert set(live_statuses) == {"dispatched", "duplicate"}
    live = _state(stage, hooks)
    assert (len(live["tickets"]), len(live["clients"])) == (TICKETS, CLIENTS)
    for times in ("once", "twice"):
        job, rows = stage.replay(selection, "redrive")
        assert job["counts"]["published"] == job["counts"]["selected"] == sent
        assert Counter(row["dispatch_status"] for row in rows) == live_statuses
        assert _state(stage, hooks) == live, times


def _mixed_webhooks(webhooks: WebhookStage) -> dict[str, Json]:
    made_at = "$now() & ' ' & $random() & ' ' & $delivery.id & ' ' & $delivery.received_at"
    tickets = webhooks.create(
        idempotency_source={"type": "jsonata", "value": "event"},
        handler_config={
            "action": "createTicket",
            "field_mapping": {
                "external_id": "id",
                "title": "title",
                "client_id": "'Acme Ltd'",
                "description": f"title & ' ' & {made_at}",
            },
            "on_existing": "update",
        },
    )
    same_ids = {"external_ids_of": tickets["id"]}

    def changing(action: str, **fields: str) -> Json:
        mapping = {"external_id": "id", **fields}
        return webhooks.create(handler_config={"action": action, "field_mapping": mapping, **same_ids})

    clients = {"external_id": "id", "client_name": "title", "phone_no": "phone"}
    return {
        "tickets": tickets,
        "updates": changing("updateTicketByExternalId", priority_id="priority"),
        "statuses": changing("changeTicketStatusByExternalId", status_id="status"),
        "clients": webhooks.create(
            handler_config={"action": "upsertClientByExternalId", "field_mapping": clients},
        ),
    }


def _send_mixed(stage: Stage, hooks: dict[str, Json], chance: random.Random) -> int:
    """Creations, then changes of all kinds in random order; every fourth request for a ticket comes twice."""
    names = [f"ticket-{number}" for number in range(TICKETS)]
    stage.send(hooks["tickets"], *(_change(name, chance) for name in names))
    stage.await_ended(hooks["tickets"], TICKETS)
    changes: list[tuple[str, Json]] = []
    ticket_numbers = itertools.count()
    for number in range(CHANGES):
        kind = chance.choice(tuple(hooks))
        name = f"client-{number % CLIENTS}" if kind == "clients" else chance.choice(names)
        changes.append((kind, _change(name, chance)))
        if kind == "tickets" and next(ticket_numbers) % 4 == 0:
            changes.append((kind, {**changes[-1][1], "title": "said again, otherwise"}))
    changes += [("clients", _change(f"client-{number}", chance)) for number in range(CLIENTS)]
    stage.writer.write((hooks[kind]["id"], body["id"], body) for kind, body in changes)
    counts = Counter(kind for kind, _ in changes) + Counter(tickets=TICKETS)
    for kind, count in counts.items():
        stage.await_ended(hooks[kind], count)
    return counts.total()


def _change(name: str, chance: random.Random) -> Json:
    return {
        "id": name,
        "event": uuid4().hex,
        "title": f"{name} says {chance.randrange(1_000_000)}",
        "priority": chance.choice(("Low", "Medium", "High", "Critical")),
        "status": chance.choice(("New", "In progress", "Waiting", "Resolved")),
        "phone": f"+49 30 {chance.randrange(1_000_000)}",
    }


def _state(stage: Stage, hooks: dict[str, Json]) -> dict[str, Any]:
    base = stage.webhooks.base
    return {
        "tickets": base.rows(_TICKETS, [hooks["tickets"]["id"]]),
        "clients": base.rows(_CLIENTS, [hooks["clients"]["id"]]),
        "totals": base.rows(_TOTALS),
    }


def test_fill_publishes_what_is_missing_and_a_second_fill_publishes_nothing(stage: Stage) -> None:
    """Missing are requests that failed or were never processed; the second fill selects those of the first, too."""
    hook, base = stage.filled, stage.webhooks.base
    fine = [_alert(f"fine-{number}") for number in range(FINE)]
    stage.send(hook, *fine)
    stage.await_ended(hook, NEVER_PROCESSED + FINE, pending=NEVER_PROCESSED)
    failed = stage.send(hook, *(_alert(f"failed-{number}", client="Initech") for number in range(FAILED)))
    stage.send(hook, *(_alert(f"filtered-{number}", severity="info") for number in range(FILTERED)), *fine[:REPEATED])
    stage.await_ended(hook, SENT_TO_FILL, pending=NEVER_PROCESSED)
    base.write("INSERT INTO clients (tenant_id, id, name) VALUES (%s, %s, 'Initech')", [base.tenant.id, uuid4()])
    missing = Counter([*failed, *stage.skipped])
    selection = {"filter": {"webhook_id": [hook["id"]]}}
    job, rows = stage.replay(selection, "fill")
    assert job["counts"] == _counts(SENT_TO_FILL, published=len(missing))
    assert Counter(row["replayed_from"] for row in rows) == missing
    assert {row["dispatch_status"] for row in rows} == {"dispatched"}
    tickets = Counter(row["external_id"] for row in base.rows(_TICKETS, [hook["id"]]))
    assert len(tickets) == NEVER_PROCESSED + FINE + FAILED
    assert set(tickets.values()) == {1}
    again, none = stage.replay(selection, "fill")
    assert again["counts"] == _counts(SENT_TO_FILL + len(missing), published=0)
    assert none == []


def _counts(selected: int, *, published: int) -> Json:
    present = selected - published
    nothing = dict.fromkeys(("lost", "refused", "remaining"), 0)
    return {"selected": selected, "published": published, "present": present, **nothing}
