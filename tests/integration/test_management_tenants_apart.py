"""Two tenants through every endpoint: what belongs to one is, to the other, as if it were not there."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.topics import RECEIVED
from sinks.clickhouse.core.rejections import build_rejections
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Source
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import delivery_ids, rejection_record, request_record
from tests.support.dead_letters import await_letter, request_letter, write_letters
from tests.support.entities import EXAMPLES, make_entity
from tests.support.erasures import await_closed
from tests.support.management import ManagementBase
from tests.support.operations import Operation, all_operations
from tests.support.people import Browser, give_password, make_person, make_role, signed_in
from tests.support.wait import eventually
from tests.support.webhooks import create_webhook

Json = dict[str, Any]
Call = Callable[..., httpx.Response]
#: Names of what the installation has, which is the same for every tenant.
OF_EVERYONE = {"preset_name", "rule"}
OF_ONE = [operation for operation in all_operations() if set(operation.parameters) - OF_EVERYONE]
#: Of one's own session; and without an end: test_management_delivery_stream holds it to its tenant.
_NO_LISTS = ("get_current_session", "stream_deliveries")
LISTS = [one for one in all_operations() if one.method == "GET" and not one.parameters and one.name not in _NO_LISTS]
#: A body that passes as far as the look for what the path names; operations that are not here take none.
BODIES: dict[str, Json] = {
    "test_webhook": {"body": {"a": 1}, "dry_run": True},
    "preview_mapping": {"body": {"a": 1}},
    "compare_mappings": {"b": {}},
    "test_filters": {"body": {"a": 1}, "filters": {"all": []}},
    "replace_inbound_webhook": {"name": "Other"},
    "patch_inbound_webhook": {"name": "Other"},
    "rotate_secret": {},
    "explain_request": {},
    "update_user": {"full_name": "Other"},
    "set_password": {"password": "correct horse battery staple"},
    "update_role": {"name": "other"},
    "update_tenant": {"name": "Other"},
    "create_event_type_version": {"json_schema": {}, "compatibility": "none"},
    "create_ticket_comment": {"content": "Other"},
    "redrive_dead_letter": {"reason": "Other"},
    "dismiss_dead_letter": {"reason": "Other"},
}
_NOT_IDS = {"version": "1", "name": "missing.happened", "entity_type": "ticket"}
#: Columns that any call may change.
_USE = ("last_used_at", "last_used_from", "last_seen_at")


@dataclass(frozen=True, slots=True)
class Owned:
    """One of everything that an id can name, all of the first tenant; by the name that paths give it."""

    ids: Mapping[str, str]


def _kept_rejection(base: ManagementBase, clickhouse: ClickHouse) -> str:
    [rejection_id] = delivery_ids(1, now_us())
    source = Source("apart", uuid.uuid4().hex, 1)
    record = rejection_record(rejection_id, now_us(), tenant_id=str(base.tenant.id))
    BatchWriter(clickhouse).write(build_rejections([record], source), source, 0, 1)
    return rejection_id


def _open_alert(base: ManagementBase) -> str:
    alert_id = str(uuid.uuid4())
    base.write(
        "INSERT INTO alerts (tenant_id, id, rule, subject, severity, message, raised_at) "
        "VALUES (%s, %s, 'failure_rate', 'apart', 'warning', 'apart', now())",
        (base.tenant.id, alert_id),
    )
    return alert_id


def _dead_letter(base: ManagementBase) -> str:
    webhook_id = str(uuid.uuid4())
    write_letters(base.settings.kafka, [request_letter(str(base.tenant.id), webhook_id)])
    return str(await_letter(base, webhook_id=webhook_id)["id"])


def _ended_replay(base: ManagementBase) -> str:
    wanted = {"offsets": [f"{RECEIVED}:0:1000000-1000000"]}  # which waits for no log
    asked = {"selection": wanted, "mode": "fill", "reason": "apart"}
    replay_id = str(base.call("POST", "/replays", json=asked).json()["id"])
    eventually(
        lambda: base.call("GET", f"/replays/{replay_id}").json()["state"] == "done",
        timeout_seconds=60,
        what="the replay job to end",
    )
    return replay_id


def _kept_delivery(base: ManagementBase, clickhouse: ClickHouse) -> str:
    [delivery_id] = delivery_ids(1, now_us())
    source = Source("apart", uuid.uuid4().hex, 0)
    record = request_record(delivery_id, now_us(), tenant_id=str(base.tenant.id))
    BatchWriter(clickhouse).write(build_requests([record], source), source, 0, 1)
    return delivery_id


@pytest.fixture(scope="module")
def owned(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> Owned:
    """A path parameter that is not here is one nobody has thought of yet: the tests of its endpoints fail."""
    base = management_base
    role_id = make_role(base, "delivery:read")
    user_id, email = make_person(base, role_id)
    with signed_in(base, email) as browser:
        session_id = browser.call("GET", "/sessions/current").json()["id"]
    key = base.call("POST", "/api-keys", json={"name": "apart", "permissions": ["delivery:read"]}).json()
    webhook = create_webhook(base, "apart")
    event_type = "apart.happened"
    declared = {"name": event_type, "json_schema": {"type": "object"}}
    assert base.call("POST", "/event-types", json=declared).status_code == 201
    entities = {f"{kind}_id": make_entity(base, kind)["id"] for kind in EXAMPLES}
    eventually(
        lambda: base.rows("SELECT FROM configuration_outbox") == [],
        timeout_seconds=60,
        what="the webhook is published, so that no table changes by itself",
    )
    delivery_id = _kept_delivery(base, clickhouse_engine)
    erasure = base.call("DELETE", f"/deliveries/{_kept_delivery(base, clickhouse_engine)}/body").json()
    await_closed(base, erasure["id"])
    return Owned(
        {
            "erasure_id": erasure["id"],
            "replay_id": _ended_replay(base),
            "webhook_id": webhook["id"],
            "name": event_type,
            "version": "1",
            "key_id": key["id"],
            "role_id": str(role_id),
            "user_id": str(user_id),
            "session_id": session_id,
            "tenant_id": str(base.tenant.id),
            "alert_id": _open_alert(base),
            "delivery_id": delivery_id,
            "rejection_id": _kept_rejection(base, clickhouse_engine),
            "letter_id": _dead_letter(base),
            "entity_type": "ticket",
            "entity_id": entities["ticket_id"],
            **entities,
        }
    )


@pytest.fixture(scope="module")
def other_browser(management_base: ManagementBase) -> Iterator[Browser]:
    """The other tenant's admin, signed in."""
    give_password(management_base, management_base.other_tenant.admin_email)
    other = management_base.other_tenant
    with signed_in(management_base, other.admin_email, other) as browser:
        yield browser


def everything(base: ManagementBase) -> dict[str, list[str]]:
    """Every row of every table, but for what calling alone may change."""
    with psycopg.connect(base.dsn, autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        found = {}
        for (name,) in tables:
            query = f"SELECT (to_jsonb(t) - %s::text[])::text FROM {name} t ORDER BY 1"  # noqa: S608
            found[name] = [row for (row,) in connection.execute(query.encode(), (list(_USE),))]
    return {name: rows for name, rows in found.items() if name != "api_rate_buckets"}


def asked(call: Call, operation: Operation, values: Mapping[str, str]) -> tuple[int, str]:
    """Status and body of an answer in which the ids do not stand."""
    body = BODIES.get(operation.name, {} if operation.method == "PATCH" else None)
    answer = call(operation.method, operation.filled(values), **({} if body is None else {"json": body}))
    text = answer.text
    for name in operation.parameters:
        text = text.replace(values[name], f"<{name}>")
    return answer.status_code, text


@pytest.mark.parametrize("operation", OF_ONE, ids=lambda operation: operation.name)
def test_what_is_anothers_is_answered_like_what_is_not_there(
    management_base: ManagementBase, owned: Owned, other_browser: Browser, operation: Operation
) -> None:
    """By the other tenant's admin, signed in and by key, who may do everything, but not here."""
    foreign = {name: owned.ids[name] for name in operation.parameters}
    missing = {name: _NOT_IDS.get(name, str(uuid.uuid4())) for name in operation.parameters}

    def by_key(method: str, path: str, **arguments: Any) -> httpx.Response:
        return management_base.call(method, path, headers=management_base.other_tenant.headers, **arguments)

    before = everything(management_base)
    callers: list[Call] = [other_browser.call, by_key] if operation.permissions else [other_browser.call]
    for call in callers:
        answered = asked(call, operation, foreign)
        assert answered[0] == 404, answered
        assert answered == asked(call, operation, missing)
    assert everything(management_base) == before


@pytest.mark.parametrize("operation", LISTS, ids=lambda operation: operation.name)
def test_a_list_shows_nothing_of_another_tenant(
    management_base: ManagementBase, owned: Owned, other_browser: Browser, operation: Operation
) -> None:
    listed = other_browser.call("GET", operation.path)
    assert listed.status_code == 200, listed.text
    named = [
        value for name, value in owned.ids.items() if name not in {"version", "entity_type"} and value in listed.text
    ]
    assert named == []


def test_their_owner_does_see_them_in_lists(management_base: ManagementBase, owned: Owned) -> None:
    shown = ""
    for operation in LISTS:
        if operation.permissions:
            shown += management_base.call("GET", operation.path, params={"per_page": 100}).text
    seen = {name for name, value in owned.ids.items() if value in shown}
    assert seen >= set(owned.ids) - {"session_id"}


def test_filters_by_anothers_ids_find_nothing(management_base: ManagementBase, owned: Owned) -> None:
    other = management_base.other_tenant.headers
    ids = owned.ids
    for path, parameters in (
        ("/deliveries", {"webhook_id": ids["webhook_id"]}),
        ("/rejections", {"webhook_id": ids["webhook_id"]}),
        ("/alerts", {"webhook_id": ids["webhook_id"]}),
        ("/audit", {"resource_id": ids["webhook_id"]}),
        ("/inbound-webhooks", {"slug": "apart"}),
    ):
        assert management_base.call("GET", path, params=parameters, headers=other).json()["meta"]["total"] == 0
    assert management_base.call("GET", "/audit", params={"resource_id": ids["webhook_id"]}).json()["meta"]["total"] == 1
    assert management_base.call("GET", "/inbound-webhooks", params={"slug": "apart"}).json()["meta"]["total"] == 1


def test_anothers_ids_cannot_be_given_to_ones_own(management_base: ManagementBase, owned: Owned) -> None:
    """A role, and a webhook whose external ids are to be used, of the other tenant: 400, and nothing is made."""
    other = management_base.other_tenant
    user_id, _ = make_person(management_base, tenant=other)
    before = everything(management_base)
    person = {"email": "new@globex.example", "username": "new", "full_name": "New", "role_ids": [owned.ids["role_id"]]}
    webhook = {
        "name": "Other",
        "slug": "other",
        "handler_type": "direct_action",
        "handler_config": {
            "action": "createTicket",
            "field_mapping": {"title": "'x'", "client_id": "client"},
            "external_ids_of": owned.ids["webhook_id"],
        },
    }
    for method, path, body, named in (
        ("POST", "/users", person, "role_ids"),
        ("PATCH", f"/users/{user_id}", {"role_ids": [owned.ids["role_id"]]}, "role_ids"),
        ("POST", "/inbound-webhooks", webhook, "handler_config.external_ids_of"),
    ):
        answer = management_base.call(method, path, headers=other.headers, json=body)
        assert answer.status_code == 400, answer.text
        assert any(one["path"].startswith(named) for one in answer.json()["error"]["details"]), answer.text
    assert everything(management_base) == before
