"""A mixed stream through receiver, Kafka, processors and one action sink into Postgres, each a process of its own.

Eight webhooks of one tenant share their external ids. Six requests in ten are of monitoring systems: snapshots of
devices, which are told of again and again, and tickets, each with an id of its own. The others are clients, contacts,
comments, status changes, payments and tags of what is there already, in part; one comment in ten is on a ticket that
nobody knows, and has to fail.

Requests are sent as fast as they are answered, over 64 connections. Requests per second count from the first request
to the last answer, actions per second from the first request to the last outcome. A request that is not answered 200,
or whose outcome is missing or not the expected one, ends the run with an error.

Run with `python -m bench.mixed [--requests N]`; it starts everything itself and prints JSON.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

import orjson

from bench import open_loop
from bench.action_loads import MAKE_ASSETS, MAKE_CLIENTS, OPEN_TICKETS, Load, invoice_id, prepare_invoices, snapshot
from bench.actions import BATCH_RECORDS
from bench.execution import BenchSink, sink_on
from bench.folders import own_folder
from hookline.embedded.postgres import start_postgres
from schemas.records import DispatchStatus
from schemas.webhooks import WebhookConfig
from tests.support.ingress import signed
from tests.support.line import Line, open_line

REQUESTS = 20_000
CONNECTIONS = 64
#: Of each kind, before the first request; as many again come with the requests.
KNOWN = 1_000
_WARM_UP_REQUESTS = 500
_AS_FAST_AS_ANSWERED = 1e6
_SECONDS_MAX = 90.0
_UNKNOWN_EVERY = 10
#: Action → how many of a hundred requests.
SHARES: Mapping[str, int] = {
    "upsertAssetByExternalId": 40,
    "createTicket": 20,
    "addTicketCommentByExternalId": 10,
    "changeTicketStatusByExternalId": 8,
    "upsertContactByExternalId": 8,
    "upsertClientByExternalId": 4,
    "markInvoicePaidByExternalId": 5,
    "addTagToEntityByExternalId": 5,
}


class Sent(NamedTuple):
    """One request: its event's id, its action and fields, and how it has to end."""

    event_id: int
    action: str
    fields: Mapping[str, Any]
    status: DispatchStatus = DispatchStatus.DISPATCHED


def stream(count: int, *, first: int = 0) -> list[Sent]:
    """`count` requests in random order, the same ones each time; `first` keeps the ids of two streams apart."""
    source = Random(first)
    actions = source.choices(list(SHARES), list(SHARES.values()), k=count)
    return [_sent(action, first + number, source) for number, action in enumerate(actions)]


def _sent(action: str, number: int, source: Random) -> Sent:
    known, any_one = source.randrange(KNOWN), source.randrange(2 * KNOWN)
    client, ticket = f"org-{any_one % KNOWN}", f"alert-{known}"
    match action:
        case "upsertAssetByExternalId":
            device = {"external_id": f"device-{any_one}", "client_external_id": client}
            return Sent(number, action, device | {"rmm_snapshot": snapshot(any_one, number)})
        case "createTicket":
            opened = OPEN_TICKETS.fields(KNOWN + number)
            return Sent(
                number, action, opened | {"client_external_id": f"org-{known}", "asset_external_id": f"device-{known}"}
            )
        case "addTicketCommentByExternalId" if number % _UNKNOWN_EVERY == 0:
            return Sent(number, action, {"external_id": "nobody", "content": "Lost"}, DispatchStatus.FAILED)
        case "addTicketCommentByExternalId":
            return Sent(number, action, {"external_id": ticket, "content": f"Note {number}. " * 20})
        case "changeTicketStatusByExternalId":
            status = source.choice(("In progress", "Waiting", "Resolved"))
            return Sent(number, action, {"external_id": ticket, "status_id": status})
        case "upsertContactByExternalId":
            person = {"external_id": f"person-{any_one}", "full_name": f"Person {any_one}", "role": f"Role {number}"}
            return Sent(
                number, action, person | {"email": f"person-{any_one}@client.example", "client_external_id": client}
            )
        case "upsertClientByExternalId":
            return Sent(number, action, MAKE_CLIENTS.fields(any_one) | {"phone_no": f"+49 30 {number}"})
        case "markInvoicePaidByExternalId":
            return Sent(number, action, {"external_id": invoice_id(known), "payment_reference": f"SEPA-{number}"})
        case _:
            tag = {"entity_type": "ticket", "external_id": ticket, "tag_text": f"tag {number % 50}"}
            return Sent(number, "addTagToEntityByExternalId", tag)


def measure(line: Line, *, requests: int = REQUESTS) -> dict[str, Any]:
    """Rates of the receiver and of the sink, and what became of the requests."""
    with sink_on(line.base) as sink:
        _prepare(sink)
    webhooks = {action: _webhook(line, action, stream(1_000)) for action in SHARES}
    line.run("processor")
    warm_up, sent = stream(_WARM_UP_REQUESTS, first=requests), stream(requests)
    _run(line, webhooks, warm_up)
    line.base.write("ANALYZE")
    began, answered, ended, statuses = _run(line, webhooks, sent)
    return {
        "requests": requests,
        "actions": dict(Counter(each.action for each in sent)),
        "requests_per_second": round(requests / (answered - began)),
        "actions_per_second": round(requests / (ended - began)),
        "outcomes": dict(statuses),
    }


def _prepare(sink: BenchSink) -> None:
    prepare_invoices(sink.base, KNOWN)
    for load in (MAKE_CLIENTS, MAKE_ASSETS, OPEN_TICKETS):
        _run_in_batches(sink, load)


def _run_in_batches(sink: BenchSink, load: Load) -> None:
    for first in range(0, KNOWN, BATCH_RECORDS):
        sink.run(load.requests(sink.base, range(first, first + BATCH_RECORDS)))


def _webhook(line: Line, action: str, examples: Sequence[Sent]) -> WebhookConfig:
    fields = {name for each in examples if each.action == action for name in each.fields}
    return line.webhook(
        action.lower(),
        idempotency_source={"type": "jsonata", "value": "event.id"},
        handler_config={
            "action": action,
            "field_mapping": {name: f"data.{name}" for name in sorted(fields)},
            "options": {"external_ids_of": str(line.base.webhook_id)},
        },
    )


def _run(
    line: Line, webhooks: Mapping[str, WebhookConfig], sent: Sequence[Sent]
) -> tuple[float, float, float, Counter[str]]:
    """Monotonic seconds of the first request, the last answer and the last outcome, and how often which came."""
    raw = [
        signed(webhooks[each.action], orjson.dumps({"event": {"id": each.event_id}, "data": each.fields}))
        for each in sent
    ]
    schedule = open_loop.Schedule(
        "127.0.0.1", line.ingress.port, raw, _AS_FAST_AS_ANSWERED, CONNECTIONS, timeout_seconds=_SECONDS_MAX
    )
    began = time.monotonic()
    answers = open_loop.run(schedule)
    answered = time.monotonic()
    answers_by_status = Counter(answer.status for answer in answers)
    if answers_by_status != {200: len(sent)}:
        raise AssertionError(f"not every request was accepted: {dict(answers_by_status)}")
    deliveries = [str(orjson.loads(answer.body)["delivery_id"]) for answer in answers]
    line.outcomes.await_outcomes(deliveries, timeout_seconds=_SECONDS_MAX)
    ended = max(line.outcomes.seen[delivery][0][0] for delivery in deliveries)
    return began, answered, ended, _checked(line, deliveries, sent)


def _checked(line: Line, deliveries: Sequence[str], sent: Sequence[Sent]) -> Counter[str]:
    statuses: Counter[str] = Counter()
    for delivery, each in zip(deliveries, sent, strict=True):
        outcome = line.outcomes.of(delivery)
        if outcome.dispatch_status is not each.status:
            raise AssertionError(f"{each.action} ended with {outcome.dispatch_status}: {outcome.error}, {each.fields}")
        statuses[str(outcome.dispatch_status)] += 1
    return statuses


def main() -> None:
    """Measure on servers of our own and print the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=REQUESTS)
    arguments = parser.parse_args()
    with (
        own_folder("mixed") as folder,
        start_postgres(folder / "postgres") as postgres,
        open_line(folder, postgres.dsn) as line,
    ):
        print(json.dumps(measure(line, requests=arguments.requests), indent=2))


if __name__ == "__main__":
    main()
