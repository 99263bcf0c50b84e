"""Replay jobs over the API and the command line, gone through by the running management itself."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import orjson
import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.postgres import open_pool
from tests.support.commands import Command, command
from tests.support.delivery_log import LogOf, problems
from tests.support.management import API, ManagementBase, management_base
from tests.support.replay_jobs import ReplayStage
from tests.support.wait import eventually
from tests.support.webhooks import create_webhook

__all__ = ["command", "management_base"]

Json = dict[str, Any]
PATH = "/replays"


@pytest.fixture(scope="module")
def stage(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> Iterator[ReplayStage]:
    """Records are sent to the broker of the session; the running role does the rest."""
    with (
        open_pool(management_base.settings.postgres) as pool,
        closing(ReplayStage(management_base, clickhouse_engine, pool)) as made,
    ):
        yield made


@pytest.fixture(autouse=True)
def _everything_is_in_the_log(stage: ReplayStage) -> None:
    """What a test before this one has sent would be waited for."""
    stage.ledger.store()


@pytest.fixture
def delivery_id(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> str:
    """Of a webhook that is no longer there."""
    return LogOf(clickhouse_engine, management_base.tenant, now_us() - 60_000_000).delivery()


def wanted(*delivery_ids: str, **members: Any) -> Json:
    return {"selection": {"delivery_ids": list(delivery_ids)}, "mode": "fill", "reason": "a test", **members}


def asked(base: ManagementBase, *delivery_ids: str, **members: Any) -> Json:
    answer = base.call("POST", PATH, json=wanted(*delivery_ids, **members))
    assert answer.status_code == 202, answer.text
    job: Json = answer.json()
    return job


def awaited(base: ManagementBase, job: Json, state: str) -> Json:
    def reached() -> Json | None:
        shown: Json = base.call("GET", f"{PATH}/{job['id']}").json()
        return shown if shown["state"] == state else None

    found = eventually(reached, timeout_seconds=60, what=f"the job to be {state}")
    assert found is not None
    return found


def told(answer: httpx.Response) -> Iterator[Json]:
    """Events of a stream, until it ends."""
    block: Json = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            block[name] = value
        elif "event" in block:
            yield {"event": block["event"], "id": block.get("id"), "data": orjson.loads(block["data"])}
            block = {}
        else:
            block = {}


def test_the_running_management_replays_offsets_and_its_progress_is_told_until_the_end(stage: ReplayStage) -> None:
    base = stage.base
    origins = stage.send(create_webhook(base, "offsets"), 5, keys=1)
    place = f"webhooks.request.received.v1:{origins[0].partition}"
    ranges = [f"{place}:{origins[0].offset}-{origins[-1].offset}"]
    job = stage.ask(selection={"offsets": ranges}, plan_only=True)
    awaited(base, job, "awaiting_confirmation")
    headers = {**base.tenant.headers, "Accept": "text/event-stream"}
    path = f"{API}{PATH}/{job['id']}/progress"
    with base.api.stream("GET", path, headers=headers) as answer:
        events = told(answer)
        first = next(events)
        assert (first["data"]["state"], first["data"]["counts"]["selected"]) == ("awaiting_confirmation", 5)
        stage.change(job, "confirm", reason="go")
        rest = list(events)
    ids = [int(event["id"]) for event in (first, *rest[:-1])]
    assert ids == sorted(set(ids))
    assert (rest[-2]["data"]["counts"]["published"], rest[-1]["data"]) == (5, {"reason": "done"})
    with base.api.stream("GET", path, headers={**headers, "Last-Event-ID": rest[-2]["id"]}) as answer:
        [end] = told(answer)
    assert end["event"] == "end"
    stage.check_each_once_in_order(job, origins)


def test_records_are_listed_and_exported_with_what_became_of_them(
    management_base: ManagementBase, delivery_id: str
) -> None:
    unknown = str(uuid.uuid4())
    job = awaited(management_base, asked(management_base, delivery_id, unknown), "done")
    assert (job["counts"]["refused"] + job["counts"]["lost"], job["counts"]["remaining"]) == (2, 0)
    path = f"{PATH}/{job['id']}/records"
    page = management_base.call("GET", path, params={"per_page": 1, "page": 2}).json()
    assert (page["meta"]["total"], len(page["data"])) == (2, 1)
    [lost] = management_base.call("GET", path, params={"result": "lost", "per_page": 1}).json()["data"][:1]
    assert lost["reason"]
    exported = management_base.call("GET", f"{path}/export", params={"format": "jsonl"}).text
    assert {orjson.loads(line)["delivery_id"] for line in exported.splitlines()} == {delivery_id, unknown}
    assert management_base.call("GET", f"{path}/export").text.startswith('"delivery_id","origin_id"')


def test_what_is_wrong_with_a_job_is_named(management_base: ManagementBase) -> None:
    base = management_base
    assert "reason" in problems(base.call("POST", PATH, json=wanted(str(uuid.uuid4()), reason="")))
    assert "rate_per_second" in problems(base.call("POST", PATH, json=wanted(str(uuid.uuid4()), rate_per_second=0)))
    body = wanted() | {"selection": {"filter": {"body_contains": "x"}}}
    assert "selection.filter.since" in problems(base.call("POST", PATH, json=body))
    job = awaited(base, asked(base, str(uuid.uuid4())), "done")
    progress = f"{PATH}/{job['id']}/progress"
    assert base.call("GET", progress).status_code == 406
    headers = {**base.tenant.headers, "Accept": "text/event-stream", "Last-Event-ID": "x"}
    assert "Last-Event-ID" in problems(base.call("GET", progress, headers=headers))


def test_a_tenant_may_have_so_many_jobs_open_and_no_more(management_base: ManagementBase) -> None:
    base = management_base
    open_max = base.settings.replays.tenant_jobs_max
    jobs = [asked(base, str(uuid.uuid4()), plan_only=True) for _ in range(open_max)]
    refused = base.call("POST", PATH, json=wanted(str(uuid.uuid4())))
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    for job in jobs:
        assert base.call("POST", f"{PATH}/{job['id']}/stop").status_code == 200
    stopped = base.call("GET", PATH, params={"state": "stopped", "per_page": 100}).json()
    assert {job["id"] for job in jobs} <= {job["id"] for job in stopped["data"]}


def test_jobs_are_planned_run_watched_and_stopped_on_the_command_line(
    management_base: ManagementBase, command: Command, delivery_id: str
) -> None:
    create_webhook(management_base, "commanded")
    planned = command("replay", "plan", "--ids", delivery_id, "--mode", "fill", "--reason", "look", "--json")
    assert (planned.code, planned.json["state"], planned.json["counts"]["selected"]) == (0, "awaiting_confirmation", 1)
    job_id = planned.json["id"]
    assert command("replay", "list", "--state", "awaiting_confirmation", "--json").json[0]["id"] == job_id
    assert command("replay", "resume", job_id, "--json").json["state"] == "running"
    followed = command("replay", "status", job_id, "--follow")
    assert (followed.code, f"{job_id} is done" in followed.output) == (0, True)
    ran = command("replay", "run", "--webhook", "commanded", "--from", "2026-01-31T12:00:00Z", "--reason", "again")
    assert ran.code == 0, ran.error
    assert "0 selected" in ran.output
    waiting = command("replay", "plan", "--ids", delivery_id, "--reason", "look", "--json").json
    assert command("replay", "stop", waiting["id"], "--reason", "seen", "--json").json["state"] == "stopped"
    assert command("replay", "pause", job_id).code == 1
    assert command("replay", "run", "--reason", "nothing selected").code == 2
    assert command("replay", "run", "--webhook", "nowhere", "--reason", "again").code == 1
