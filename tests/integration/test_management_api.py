"""The management API on real Postgres, ClickHouse and Kafka: keys, tenants, pages, errors, health, status."""

import base64
import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from hookline.embedded.kafka import KafkaBroker
from hookline.embedded.postgres import PostgresServer
from infra.clickhouse import MIGRATIONS_FOLDER, ClickHouse
from infra.clickhouse import migrate as migrate_clickhouse
from infra.clock import now_us
from infra.enrichment.locations import Location
from infra.errors import ClickHouseRefusedError
from infra.migrations import migrate as migrate_postgres
from infra.role import PartHealth
from infra.settings import (
    ClickHouseSettings,
    KafkaSettings,
    ManagementSettings,
    PostgresSettings,
    Settings,
)
from management.deliveries.filters import DeliveryFilter
from management.deliveries.repository import DeliveryRepository
from management.deliveries.service import DeliveryService
from management.exports import ExportRoom
from management.role import ManagementRole
from schemas.records import DispatchStatus
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.rejections import build_rejections
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Source
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import (
    FACTS,
    WEBHOOK,
    MadeRecord,
    analytics_settings,
    delivery_ids,
    make_topics,
    outcome_record,
    rejection_record,
    request_record,
)
from tests.support.wait import eventually

TENANT, OTHER_TENANT = str(uuid.uuid4()), str(uuid.uuid4())
KEYS = {TENANT: "ixk_" + "a" * 40, OTHER_TENANT: "ixk_" + "b" * 40}
REVOKED = "ixk_" + "c" * 40
NOW = now_us()
BEFORE = NOW - 3_600_000_000


class WaitingPart:
    """A part beside the API that is not ready."""

    name = "analytics"

    def start(self) -> None: ...

    def stop(self, timeout_seconds: float) -> None: ...

    def health(self) -> PartHealth:
        return PartHealth(self.name, ready=False, reasons=("outcomes: ClickHouse: away",), lag_records=7)


@pytest.fixture(scope="module")
def dsn(postgres: PostgresServer) -> Iterator[str]:
    """A migrated database with two tenants, their keys and a revoked key."""
    name = f"management_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres.dsn, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    database: str = postgres.dsn_of(name)
    migrate_postgres(database)
    with psycopg.connect(database, autocommit=True) as connection:
        for number, (tenant_id, key) in enumerate(KEYS.items()):
            connection.execute("INSERT INTO tenants (id, slug, name) VALUES (%s, %s, 'T')", (tenant_id, f"t{number}"))
            _insert_key(connection, tenant_id, key)
        _insert_key(connection, TENANT, REVOKED)
        connection.execute(
            "UPDATE api_keys SET revoked_at = now() WHERE key_hash = %s", (hashlib.sha256(REVOKED.encode()).digest(),)
        )
    yield database
    with psycopg.connect(postgres.dsn, autocommit=True) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _insert_key(connection: psycopg.Connection, tenant_id: str, key: str) -> None:
    connection.execute(
        "INSERT INTO api_keys (tenant_id, id, name, key_prefix, key_hash, permissions) "
        "VALUES (%s, %s, 'k', %s, %s, '{*}')",
        (tenant_id, str(uuid.uuid4()), key[:8], hashlib.sha256(key.encode()).digest()),
    )


class Deliveries:
    """What the ClickHouse of these tests holds."""

    ids = delivery_ids(7, BEFORE)
    [binary] = delivery_ids(1, NOW)
    [others] = delivery_ids(1, NOW)


@pytest.fixture(scope="module")
def clickhouse(clickhouse_engine: ClickHouse) -> ClickHouse:
    """Seven deliveries and three rejections of one tenant, one of each of another."""
    records: list[MadeRecord] = [request_record(i, BEFORE + n, tenant_id=TENANT) for n, i in enumerate(Deliveries.ids)]
    records.append(request_record(Deliveries.binary, NOW, b"\xff\x00" * 700, tenant_id=TENANT))
    records.append(request_record(Deliveries.others, NOW, tenant_id=OTHER_TENANT))
    outcomes = [
        outcome_record(Deliveries.ids[0], BEFORE, tenant_id=TENANT, handler_outcome={"ticket_id": "t-1"}),
        outcome_record(
            Deliveries.ids[1],
            BEFORE + 1,
            tenant_id=TENANT,
            dispatch_status=DispatchStatus.DUPLICATE,
            duplicate_of=TENANT,
        ),
        outcome_record(
            Deliveries.ids[2],
            BEFORE + 2,
            tenant_id=TENANT,
            stage="actions",
            dispatch_status=DispatchStatus.FAILED,
            error={"code": "LOOKUP_MISS", "message": "no client", "path": "field_mapping.client_id"},
        ),
    ]
    rejections = [rejection_record(i, NOW, tenant_id=TENANT, count=n + 1) for n, i in enumerate(delivery_ids(3, NOW))]
    rejections.append(rejection_record(delivery_ids(1, NOW)[0], NOW, tenant_id=OTHER_TENANT))
    rejections.append(rejection_record(delivery_ids(1, NOW)[0], NOW, tenant_id=None, webhook_id=None))
    writer = BatchWriter(clickhouse_engine)
    run = uuid.uuid4().hex
    writer.write(build_requests(records, Source("r", run, 0)), Source("r", run, 0), 0, len(records))
    writer.write(build_outcomes(outcomes, Source("o", run, 0)), Source("o", run, 0), 0, len(outcomes))
    writer.write(build_rejections(rejections, Source("j", run, 0)), Source("j", run, 0), 0, len(rejections))
    return clickhouse_engine


@pytest.fixture(scope="module")
def settings(kafka: KafkaBroker, dsn: str) -> Settings:
    base = analytics_settings(kafka.bootstrap, ClickHouseSettings(path=Path("/unused")), group_id="management-tests")
    make_topics(base)
    return base.model_copy(
        update={
            "postgres": PostgresSettings(dsn=SecretStr(dsn)),
            "management": ManagementSettings(port=0),
            "master_key": SecretStr(base64.urlsafe_b64encode(bytes(32)).decode()),
            "kafka": KafkaSettings(bootstrap=kafka.bootstrap),
        }
    )


@pytest.fixture(scope="module")
def api(settings: Settings, clickhouse: ClickHouse) -> Iterator[httpx.Client]:
    role = ManagementRole(settings, clickhouse, [WaitingPart()])
    role.start()
    eventually(lambda: role.health().ready, timeout_seconds=60, what="the API is ready")
    with httpx.Client(base_url=f"http://127.0.0.1:{role.port}", trust_env=False, timeout=60) as client:
        yield client
    role.stop(10)


def _as(tenant_id: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[tenant_id]}"}


def test_a_list_is_paged_newest_first_and_counted(api: httpx.Client) -> None:
    seen: list[str] = []
    for page in (1, 2, 3):
        answer = api.get("/api/v1/deliveries", params={"page": page, "per_page": 3}, headers=_as(TENANT)).json()
        assert answer["meta"] | {"next_cursor": None} == {
            **{"page": page, "per_page": 3, "total": 8},
            **{"total_is_exact": True, "next_cursor": None},
        }
        seen += [entry["delivery_id"] for entry in answer["data"]]
    assert seen == [Deliveries.binary, *reversed(Deliveries.ids)]


def test_filters_narrow_the_list(api: httpx.Client) -> None:
    def ids(**params: str) -> list[str]:
        answer = api.get("/api/v1/deliveries", params=params, headers=_as(TENANT))
        assert answer.status_code == 200, answer.text
        return [entry["delivery_id"] for entry in answer.json()["data"]]

    assert ids(dispatch_status="dispatched") == [Deliveries.ids[0]]
    assert ids(dispatch_status="failed") == [Deliveries.ids[2]]
    assert len(ids(dispatch_status="pending")) == 5
    assert ids(webhook_id=OTHER_TENANT) == []
    assert len(ids(webhook_id=WEBHOOK)) == 8
    boundary = "2026-01-01T00:00:00+02:00"
    assert len(ids(since=boundary)) == 8
    assert ids(until=boundary) == []


def test_a_delivery_shows_its_request_and_its_outcome(api: httpx.Client) -> None:
    shown = api.get(f"/api/v1/deliveries/{Deliveries.ids[2]}", headers=_as(TENANT)).json()
    assert shown["error"] == {"code": "LOOKUP_MISS", "message": "no client", "path": "field_mapping.client_id"}
    assert shown["dispatch_status"] == "failed"
    assert shown["received_at"].endswith("Z")
    assert shown["duration_ms"] == 5.0
    request = shown["request"]
    assert (request["method"], request["query"], request["body"]) == ("POST", {"region": "eu"}, '{"alert":{"id":1}}')
    assert request["headers"]["x-event"] == "alert.opened"
    assert (shown["webhook_slug"], shown["auth_status"], shown["response_status"]) == ("rmm-alerts", "verified", 200)
    dispatched = api.get(f"/api/v1/deliveries/{Deliveries.ids[0]}", headers=_as(TENANT)).json()
    assert (dispatched["handler_outcome"], dispatched["error"]) == ({"ticket_id": "t-1"}, None)
    duplicate = api.get(f"/api/v1/deliveries/{Deliveries.ids[1]}", headers=_as(TENANT)).json()
    assert duplicate["duplicate_of"] == TENANT


def test_a_body_that_is_not_text_comes_back_byte_for_byte(api: httpx.Client) -> None:
    request = api.get(f"/api/v1/deliveries/{Deliveries.binary}", headers=_as(TENANT)).json()["request"]
    assert (request["body_encoding"], request["body_bytes"], request["body_truncated"]) == ("base64", 1400, False)
    assert base64.b64decode(request["body"]) == b"\xff\x00" * 700
    listed = api.get("/api/v1/deliveries", params={"per_page": 1}, headers=_as(TENANT)).json()["data"][0]
    assert listed["request"]["body_truncated"] is True


def test_a_tenant_sees_nothing_of_another(api: httpx.Client) -> None:
    mine = api.get("/api/v1/deliveries", headers=_as(OTHER_TENANT)).json()
    assert [entry["delivery_id"] for entry in mine["data"]] == [Deliveries.others]
    foreign = api.get(f"/api/v1/deliveries/{Deliveries.ids[0]}", headers=_as(OTHER_TENANT))
    missing = api.get(f"/api/v1/deliveries/{uuid.UUID(int=5)}", headers=_as(OTHER_TENANT))
    assert foreign.status_code == missing.status_code == 404
    assert foreign.json()["error"]["code"] == missing.json()["error"]["code"] == "not_found"
    assert api.get("/api/v1/rejections", headers=_as(OTHER_TENANT)).json()["meta"]["total"] == 1
    listed = api.get("/api/v1/rejections", headers=_as(TENANT)).json()
    assert sorted(entry["count"] for entry in listed["data"]) == [1, 2, 3]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ixk_", f"Bearer ixk_{'z' * 40}", f"Bearer {REVOKED}", f"Basic {KEYS[TENANT]}",
     KEYS[TENANT], f"Bearer {KEYS[TENANT]}x", f"Bearer {KEYS[TENANT]} {KEYS[TENANT]}"],
)  # fmt: skip
def test_every_unusable_key_gets_the_same_answer(api: httpx.Client, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = api.get("/api/v1/deliveries", headers=headers)
    reference = api.get(f"/api/v1/deliveries/{uuid.UUID(int=1)}")
    assert answer.status_code == reference.status_code == 401
    assert answer.content == reference.content
    assert answer.json()["error"]["code"] == "unauthorized"
    kept = {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}
    assert kept == {name: value for name, value in reference.headers.items() if name not in {"date", "x-request-id"}}


def test_a_key_revoked_now_is_refused_by_the_next_request(api: httpx.Client, dsn: str) -> None:
    key = "ixk_" + uuid.uuid4().hex
    with psycopg.connect(dsn, autocommit=True) as connection:
        _insert_key(connection, TENANT, key)
        assert api.get("/api/v1/rejections", headers={"Authorization": f"bearer {key}"}).status_code == 200
        digest = hashlib.sha256(key.encode()).digest()
        used = connection.execute("SELECT last_used_at FROM api_keys WHERE key_hash = %s", (digest,)).fetchone()
        assert used is not None
        assert used[0] is not None
        connection.execute("UPDATE api_keys SET revoked_at = now() WHERE key_hash = %s", (digest,))
    assert api.get("/api/v1/rejections", headers={"Authorization": f"Bearer {key}"}).status_code == 401


def test_every_problem_of_a_request_is_named_with_its_path(api: httpx.Client) -> None:
    params = {"page": "0", "per_page": "101", "since": "2026-01-01T00:00:00", "dispatch_status": "lost"}
    answer = api.get("/api/v1/deliveries", params=params, headers=_as(TENANT))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "validation_error"
    assert {detail["path"] for detail in error["details"]} == {"page", "per_page", "since", "dispatch_status.0"}
    assert all(detail["message"] for detail in error["details"])


def test_an_unknown_path_and_method_answer_in_the_error_format(api: httpx.Client) -> None:
    assert api.get("/api/v1/nothing").json()["error"]["code"] == "not_found"
    assert api.delete("/api/v1/deliveries").json()["error"]["code"] == "method_not_allowed"


def test_readiness_and_status_name_what_is_wrong_beside_the_api(api: httpx.Client, settings: Settings) -> None:
    ready = api.get("/readyz")
    assert ready.status_code == 503
    parts = {part["name"]: part for part in ready.json()["parts"]}
    assert parts["management"]["ready"] is True
    assert parts["analytics"]["reasons"] == ["outcomes: ClickHouse: away"]

    def told() -> httpx.Response | None:
        """The state, once the broker has answered in time who is in the processors' group: nobody."""
        answer = api.get("/status")
        [members] = [
            group["members"] for group in answer.json()["groups"] if group["group_id"] == settings.processors.group_id
        ]
        return answer if members == 0 else None

    status = eventually(told, timeout_seconds=60, what="the processors' group without a member")
    assert status is not None
    assert status.status_code == 503
    shown = status.json()
    lags = {part["name"]: part["lag_records"] for part in shown["parts"]}
    led = ("alerts", "ledger", "retention", "erasures", "dead_letters", "replays", "replay_forgetting")
    assert lags == {"management": None, "relay": 0, "events": 0, **dict.fromkeys(led), "analytics": 7}
    states = {part["details"]["state"] for part in shown["parts"] if part["name"] in led}
    assert states <= {"starting", "leader", "standby"}
    groups = {group["group_id"]: group for group in shown["groups"]}
    assert "no member" in groups[settings.processors.group_id]["reasons"][0]
    assert api.get("/healthz").status_code == 200
    api.get("/api/v1/deliveries")
    assert 'resource="deliveries"' in api.get("/metrics").text


def test_a_store_that_is_away_answers_503_without_its_words(settings: Settings) -> None:
    away = ClickHouse(ClickHouseSettings(dsn=SecretStr("clickhouse://default:geheim@127.0.0.1:1/default")))
    role = ManagementRole(settings, away, [])
    role.start()
    try:
        base = f"http://127.0.0.1:{role.port}"
        answer = httpx.get(f"{base}/api/v1/deliveries", headers=_as(TENANT), trust_env=False, timeout=60)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert "127.0.0.1" not in answer.text
        reasons = httpx.get(f"{base}/readyz", trust_env=False, timeout=60).json()["parts"][0]["reasons"]
        assert reasons[0].startswith("ClickHouse:")
    finally:
        role.stop(10)


def test_migrations_are_applied_once_and_an_edited_one_is_refused(
    clickhouse_engine: ClickHouse, tmp_path: Path
) -> None:
    assert migrate_clickhouse(clickhouse_engine) == []
    for path in MIGRATIONS_FOLDER.glob("*.sql"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "0001_create_deliveries.sql").write_text("SELECT 1")
    with pytest.raises(ClickHouseRefusedError, match="0001_create_deliveries was edited"):
        migrate_clickhouse(clickhouse_engine, tmp_path)


def test_a_delivery_is_shown_masked_with_its_sender_and_its_metadata(clickhouse_engine: ClickHouse) -> None:
    [delivery_id], tenant = delivery_ids(1, NOW), str(uuid.uuid4())
    body = b'{"alert":{"id":1},"user":{"email":"a@example.com","password":"letmein"}}'
    facts = FACTS.model_copy(update={"redact_paths": ["$.user.email"], "user_agent": "curl/8.5.0"})
    request = request_record(delivery_id, NOW, body, tenant_id=tenant, request=facts.model_dump_json().encode())
    outcome = outcome_record(delivery_id, NOW, tenant_id=tenant, stage="actions", metadata={"site": "Berlin"})
    berlin = Location("DE", "Germany", city="Berlin", asn=64_496)
    writer, run = BatchWriter(clickhouse_engine), uuid.uuid4().hex
    source = Source("r", run, 0)
    writer.write(build_requests([request], source, locate=lambda _: berlin), source, 0, 1)
    writer.write(build_outcomes([outcome], Source("o", run, 0)), Source("o", run, 0), 0, 1)
    service = DeliveryService(DeliveryRepository(clickhouse_engine, Mock()), ExportRoom())
    shown = service.get(uuid.UUID(tenant), uuid.UUID(delivery_id))
    masked = '{"alert":{"id":1},"user":{"email":"***","password":"***"}}'
    assert (shown.request.body, shown.request.body_redacted, shown.request.body_bytes) == (masked, True, len(body))
    assert (shown.user_agent.raw, shown.user_agent.browser, shown.user_agent.os) == ("curl/8.5.0", "curl 8", None)
    assert shown.location is not None
    assert (shown.location.country_code, shown.location.city, shown.location.asn) == ("DE", "Berlin", 64_496)
    assert shown.metadata == {"site": "Berlin"}
    [listed] = service.page(uuid.UUID(tenant), DeliveryFilter()).data
    assert (listed.request.body, listed.metadata) == (masked, {"site": "Berlin"})
    columns = clickhouse_engine.query("SELECT * FROM deliveries WHERE tenant_id = {id:UUID}", {"id": tenant})
    assert "letmein" not in str(columns)
    assert "a@example.com" not in str(columns)


def test_a_body_older_than_its_time_keeps_its_head(clickhouse_engine: ClickHouse) -> None:
    old = NOW - 40 * 86_400 * 1_000_000
    [delivery_id] = delivery_ids(1, old)
    source = Source("r", uuid.uuid4().hex, 0)
    tenant = str(uuid.uuid4())
    BatchWriter(clickhouse_engine).write(
        build_requests([request_record(delivery_id, old, b"x" * 5_000, tenant_id=tenant)], source), source, 0, 0
    )
    clickhouse_engine.execute("OPTIMIZE TABLE deliveries FINAL")
    [row] = clickhouse_engine.query(
        "SELECT body, body_bytes, length(body_head) AS head FROM deliveries FINAL WHERE delivery_id = {id:UUID}",
        {"id": delivery_id},
    )
    assert row == {"body": None, "body_bytes": 5_000, "head": 1_024}
