"""Packages with actions of their own: installed, discovered, mapped, run; refused at the start, all faults at once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.embedded.kafka import KafkaBroker
from hookline.embedded.postgres import PostgresServer
from infra.actions.registry import ENTRY_POINT_GROUP
from infra.settings import Settings
from schemas.records import DeliveryRecord, DispatchStatus, DomainEvent
from tests.support.action_stage import WAIT_SECONDS, Stage, leaders_answer, open_stage
from tests.support.actions import ActionBase, builtin_registry, refusal_of, request_of
from tests.support.analytics import make_topics
from tests.support.domain_events import Events
from tests.support.management import API, bearer, insert_key, management_settings, owner_of
from tests.support.plugins import EXAMPLE, install, path_with, write_project
from tests.support.relay import ManagementProcess, management_process
from tests.support.stack import new_database
from tests.support.wait import eventually
from tests.support.webhooks import MAPPING, problems_of, webhook_body

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]

COPY = "from hookline_bell import ACTIONS\n"
FAILING = "raise LookupError('no bell here')\n"
BAD = """
from dataclasses import replace
from hookline_bell import ACTIONS as BELL
ACTIONS = replace(BELL[0], name="Ring-Bell", handle=None)
"""
ALONE = {"external_id": "t-1", "reason": "Nobody answers", "urgency": "loud"}


@pytest.fixture(scope="module")
def bell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed."""
    return install(tmp_path_factory.mktemp("plugins") / "bell", EXAMPLE)


@pytest.fixture
def stage(postgres: PostgresServer, kafka: KafkaBroker) -> Iterator[Stage]:
    with new_database(postgres.dsn) as dsn:
        settings = Settings.model_validate({"kafka": {"bootstrap": kafka.bootstrap}})
        make_topics(settings)
        eventually(lambda: leaders_answer(settings), timeout_seconds=WAIT_SECONDS, what="leaders of the new topics")
        with open_stage(kafka.bootstrap, dsn) as stage:
            yield stage


@contextmanager
def api_of(process: ManagementProcess, stage: Stage) -> Iterator[httpx.Client]:
    with owner_of(stage.base.dsn) as owner:
        key = insert_key(owner, stage.base.tenant.tenant_id, ["*"], None)
    with httpx.Client(base_url=process.url + API, headers=bearer(key), trust_env=False, timeout=30) as api:
        yield api


def run(stage: Stage, action: str, fields: Mapping[str, Any], **members: Any) -> DeliveryRecord:
    """The outcome of one command by the running sink."""
    request = request_of(stage.base, action, fields, **members)
    earlier = len({message.key() for message in stage.seen})
    stage.send(request)
    [outcome] = stage.outcomes(earlier + 1)[request["delivery_id"]]
    return outcome


def test_an_action_of_another_package_is_discovered_mapped_run_and_told_of(
    stage: Stage, bell: Path, tmp_path: Path
) -> None:
    settings = management_settings(stage.settings.kafka.bootstrap, stage.base.dsn, tmp_path / "master.key")
    environment = {"PYTHONPATH": path_with(bell), "HOOKLINE_ACTIONS__GROUP_ID": stage.settings.actions.group_id}
    with management_process(settings, tmp_path, roles="management,actions", environment=environment) as process:
        process.await_state("leader", relay="events")
        with api_of(process, stage) as api:
            webhook_id = check_discovery_and_saving(api)
        fields = {"external_id": "t-1", "title": "Door is locked", "client_id": "Acme Ltd"}
        ticket = run(stage, "createTicket", fields)
        assert ticket.dispatch_status is DispatchStatus.DISPATCHED
        options = {"comment": "write", "external_ids_of": str(stage.base.webhook_id)}
        rung = run(stage, "ringBell", ALONE, webhook_id=webhook_id, options=options)
        assert rung.handler_outcome is not None, rung.error
        assert rung.handler_outcome["metadata"] == {"urgency": "loud"}
        unknown = run(stage, "ringBell", ALONE | {"external_id": "t-2"}, options={"comment": "write"})
        assert unknown.error is not None
        assert (unknown.error.code, unknown.error.path) == ("LOOKUP_MISS", "field_mapping.external_id")
        events = Events(settings, stage.base.tenant.tenant_id)
        events.await_nothing_waiting()
    comments = stage.base.rows("SELECT content, is_internal, webhook_id::text FROM ticket_comments")
    assert comments == [{"content": "The bell was rung: Nobody answers", "is_internal": True, "webhook_id": webhook_id}]
    told = [one.event for one in events.published(rung.handler_outcome["entity_id"])]
    assert [event.type for event in told] == ["ticket.created", "bell.rung"]
    assert (told[1].data["reason"], told[1].causation_id) == ("Nobody answers", rung.delivery_id)


def check_discovery_and_saving(api: httpx.Client) -> str:
    """The id of a webhook whose action is the example's."""
    [shown] = [one for one in api.get("/inbound-webhooks/actions").json()["data"] if one["name"] == "ringBell"]
    assert (shown["package"], shown["entity_type"]) == ("hookline-bell", "ticket")
    assert [field["name"] for field in shown["target_fields"]] == ["external_id", "reason", "urgency"]
    assert [option["name"] for option in shown["options"]] == ["comment", "external_ids_of"]
    mapping = {"external_id": "ticket.id", "urgency": "'shrill'"}
    refused = problems_of(save(api, action="ringBell", field_mapping=mapping, volume="11"))
    assert set(refused) == {"handler_config.volume", f"{MAPPING}.reason", f"{MAPPING}.urgency"}
    saved = save(api, action="ringBell", field_mapping=mapping | {"reason": "alarm.text", "urgency": "'loud'"})
    assert saved.status_code == 201, saved.text
    return str(saved.json()["id"])


def save(api: httpx.Client, **handler: Any) -> httpx.Response:
    return api.post("/inbound-webhooks", json=webhook_body("bell", handler_config=handler))


def test_its_commands_run_as_a_set_in_which_a_bad_one_fails_alone(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLE)
    registry = builtin_registry(EntryPoint("bell", "hookline_bell:ACTIONS", ENTRY_POINT_GROUP))
    base = ActionBase.prepare(database_dsn)
    for external_id in ("a", "b", "closed"):
        base.run(base.request({"external_id": external_id}))
    base.run(request_of(base, "changeTicketStatusByExternalId", {"external_id": "closed", "status_id": "Closed"}))
    base.write("DELETE FROM outbox")

    def ring(external_id: str, comment: str) -> dict[str, Any]:
        fields = {"external_id": external_id, "reason": f"of {external_id}"}
        return request_of(base, "ringBell", fields, options={"comment": comment})

    outcomes = base.run(
        ring("a", "write"), ring("unknown", "write"), ring("b", "skip"), ring("closed", "write"), registry=registry
    )
    assert [outcome.status for outcome in outcomes] == ["dispatched", "failed", "dispatched", "failed"]
    assert [refusal_of(outcomes[1]), refusal_of(outcomes[3])] == [
        ("LOOKUP_MISS", "field_mapping.external_id"),
        ("CONFLICT", "field_mapping.external_id"),
    ]
    assert [row["content"] for row in base.rows("SELECT content FROM ticket_comments")] == ["The bell was rung: of a"]
    told = [row["payload"] for row in base.rows("SELECT payload FROM outbox ORDER BY position")]
    assert [(event["type"], event["data"]["reason"]) for event in told] == [
        ("bell.rung", "of a"),
        ("bell.rung", "of b"),
    ]
    for event in told:
        DomainEvent.model_validate(event)


@pytest.mark.parametrize("roles", ["management", "actions"])
def test_a_name_given_twice_and_every_other_fault_refuse_the_start_in_one_message(
    postgres: PostgresServer, kafka: KafkaBroker, bell: Path, tmp_path: Path, roles: str
) -> None:
    faulty = {"second-bell": COPY, "silent-bell": FAILING, "cracked-bell": BAD}
    projects = [write_project(tmp_path, package, source) for package, source in faulty.items()]
    target = install(tmp_path / "installed", *projects)
    settings = management_settings(kafka.bootstrap, postgres.dsn, tmp_path / "master.key")
    environment = {"PYTHONPATH": path_with(bell, target)}
    with management_process(settings, tmp_path, roles=roles, environment=environment) as process:
        said = process.await_refusal()
    [line] = [line for line in said.splitlines() if "actions cannot be loaded" in line]
    assert "Traceback" not in said
    assert "action 'ringBell' is given by two packages: " in line
    for fault in (
        *("hookline-bell", "second-bell"),
        "of package silent-bell failed to load: LookupError: no bell here",
        "action 'Ring-Bell': handle must be a function (package cracked-bell)",
    ):
        assert fault in line
