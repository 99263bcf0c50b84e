"""Cases of the specification that no test of one action is for."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson
import psycopg
import pytest

from hookline.embedded.postgres import PostgresServer
from infra.actions.core.coercion import compile_coercer
from infra.actions.registry import ActionRegistry, RegisteredAction
from management.actions.service import ActionService
from schemas.actions import ActionContext, ActionResult
from sinks.actions.command import parse_command
from sinks.actions.messages import release_message
from sinks.actions.tickets import CREATE_TICKET
from tests.support.action_cells import CELLS
from tests.support.actions import (
    TRACE_HEADERS,
    ActionBase,
    add_mapping,
    builtin_registry,
    refusal_of,
    request_of,
    row_of,
)
from tests.support.stack import new_database

TABLES = ("tickets", "external_entity_mappings", "outbox", "applied_commands")


@pytest.fixture(scope="module")
def base(postgres: PostgresServer) -> Iterator[ActionBase]:
    with new_database(postgres.dsn) as dsn:
        yield ActionBase.prepare(dsn)


def test_fourteen_actions_on_eight_types_of_entity_are_discovered() -> None:
    page = ActionService(builtin_registry()).page()
    assert (page.meta.total, len({action.name for action in page.data})) == (14, 14)
    assert {action.entity_type for action in page.data} == {
        *("asset", "client", "contact", "invoice", "project_task", "tag", "ticket", "time_entry")
    }


def test_a_sink_that_dies_before_its_commit_leaves_neither_ticket_nor_mapping(base: ActionBase) -> None:
    def make_and_die(context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
        result = CREATE_TICKET.handle(context, values)
        assert context.tx.rows("SELECT 1 AS one FROM tickets", {})
        (backend,) = context.tx.rows("SELECT pg_backend_pid() AS id", {})
        base.write("SELECT pg_terminate_backend(%s)", [backend["id"]])
        return result

    definition = replace(CREATE_TICKET, handle=make_and_die)
    registry = ActionRegistry([RegisteredAction(definition, "test", compile_coercer(definition))])
    request = base.request({"external_id": "killed"})
    before = [base.count(table) for table in TABLES]
    with pytest.raises(psycopg.OperationalError):
        base.run(request, registry=registry)
    assert [base.count(table) for table in TABLES] == before
    (outcome,) = base.run(request)
    assert (outcome.status, outcome.repeated) == ("dispatched", False)
    assert [base.count(table) for table in TABLES] == [count + 1 for count in before]


def test_an_unmapped_id_on_every_action_that_finds_by_it_is_a_miss_that_releases_the_key(base: ActionBase) -> None:
    finding = [name for name in CELLS if name.endswith("ByExternalId") and not name.startswith("upsert")]
    assert len(finding) == 8
    requests = [
        request_of(base, name, {**CELLS[name].fields, "external_id": "unmapped"}, release_key=f"{number:032x}")
        for number, name in enumerate(finding)
    ]
    registry = builtin_registry()
    for request, outcome in zip(requests, base.run(*requests), strict=True):
        assert refusal_of(outcome) == ("LOOKUP_MISS", "field_mapping.external_id"), request["action"]
        command = parse_command(orjson.dumps(request), TRACE_HEADERS, registry)
        message = release_message(command, outcome, 1)
        assert message is not None
        assert (message["key"].hex(), message["partition"]) == (request["release_key"], 0)
        assert orjson.loads(message["value"])["reason"] == "LOOKUP_MISS"


def test_a_task_of_a_project_by_its_external_id_begins_in_the_first_phase(base: ActionBase) -> None:
    add_mapping(base, "project", "P-1", base.tenant.ids["project"])
    (outcome,) = base.run(request_of(base, "createProjectTask", {"project_external_id": "P-1", "task_name": "Order"}))
    task, ids = row_of(base, "project_tasks", outcome), base.tenant.ids
    assert (task["project_id"], task["phase_id"], task["status_id"]) == (ids["project"], ids["planning"], ids["to_do"])
