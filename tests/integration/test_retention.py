"""How long bodies, rows and rejections are kept: in the real engine, with rows of any age, and over the API."""

from __future__ import annotations

from uuid import uuid4

import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.errors import ClickHouseUnavailableError
from infra.retention.days import NIL, Retention, Setting
from infra.retention.settings import LiveRetention, apply_settings, read_settings, write_settings
from management.relays.session import relay_connection
from management.retention.work import copy_settings
from schemas.retention import BODY_DAYS_DEFAULT, REJECTION_DAYS_DEFAULT, ROW_DAYS_DEFAULT
from tests.support.analytics import delivery_ids, outcome_record, rejection_record, request_record
from tests.support.management import ManagementBase
from tests.support.retention import DAY_US, await_mutations, keep, shown
from tests.support.webhooks import WEBHOOKS, create_webhook, get_webhook, problems_of

LONG_BODY = b'{"alert": "' + b"x" * 2_000 + b'"}'
HEAD = LONG_BODY[:1_024].decode()


class Log:
    """A tenant and webhook of this test's own, and its rows by their age in days."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self.clickhouse = clickhouse
        self.now = now_us()
        self.tenant_id, self.webhook_id = str(uuid4()), str(uuid4())

    def delivery(self, age_days: float, *, outcome_apart: bool = False, webhook_id: str | None = None) -> str:
        """A request of that age and its outcome, written by the settings of now."""
        at_us = self.now - int(age_days * DAY_US)
        [delivery_id] = delivery_ids(1, at_us)
        ids = {"tenant_id": self.tenant_id, "webhook_id": webhook_id or self.webhook_id}
        retention = Retention(read_settings(self.clickhouse))
        request, outcome = (
            request_record(delivery_id, at_us, LONG_BODY, **ids),
            outcome_record(delivery_id, at_us, **ids),
        )
        keep(self.clickhouse, requests=[request], read_retention=lambda: retention)
        if outcome_apart:
            keep(self.clickhouse, outcomes=[outcome], read_retention=lambda: retention)
        return delivery_id

    def body(self, delivery_id: str) -> str | None:
        [row] = shown(self.clickhouse, delivery_id)
        assert (row["body_head"], row["body_bytes"]) == (HEAD, len(LONG_BODY))
        body: str | None = row["body"]
        return body

    def merge(self) -> None:
        self.clickhouse.execute("OPTIMIZE TABLE deliveries FINAL")


@pytest.fixture
def log(clickhouse_engine: ClickHouse) -> Log:
    await_mutations(clickhouse_engine)  # settings are applied to no rows while one of an earlier test still runs
    return Log(clickhouse_engine)


def test_without_a_setting_bodies_go_after_30_days_and_rows_after_400(log: Log) -> None:
    old, young = log.delivery(BODY_DAYS_DEFAULT + 1), log.delivery(BODY_DAYS_DEFAULT - 1)
    gone, kept = log.delivery(ROW_DAYS_DEFAULT + 1, outcome_apart=True), log.delivery(ROW_DAYS_DEFAULT - 1)
    log.merge()
    assert (log.body(old), log.body(young), log.body(kept)) == (None, LONG_BODY.decode(), None)
    assert shown(log.clickhouse, gone) == []


def test_a_webhook_goes_before_its_tenant_and_both_halves_of_a_delivery_go(log: Log) -> None:
    write_settings(
        log.clickhouse,
        {(log.tenant_id, NIL): Setting(5, 20, 2), (log.tenant_id, log.webhook_id): Setting(60, 90)},
    )
    other = str(uuid4())
    whole, gone = log.delivery(59), log.delivery(91, outcome_apart=True)
    of_tenant, gone_with_tenant = (
        log.delivery(6, webhook_id=other),
        log.delivery(21, outcome_apart=True, webhook_id=other),
    )
    log.merge()
    assert (log.body(whole), log.body(of_tenant)) == (LONG_BODY.decode(), None)
    assert [shown(log.clickhouse, delivery_id) for delivery_id in (gone, gone_with_tenant)] == [[], []]


def test_a_body_that_is_kept_for_no_day_is_never_written_whole(log: Log) -> None:
    write_settings(log.clickhouse, {(log.tenant_id, log.webhook_id): Setting(0, 90)})
    assert log.body(log.delivery(0)) is None


def test_a_changed_setting_reaches_rows_that_are_there_and_is_taken_back(log: Log) -> None:
    other = str(uuid4())
    shortened, gone, untouched = (
        log.delivery(10),
        log.delivery(50, outcome_apart=True),
        log.delivery(10, webhook_id=other),
    )
    write_settings(log.clickhouse, {(log.tenant_id, log.webhook_id): Setting(5, 40)})
    assert apply_settings(log.clickhouse) is not None
    await_mutations(log.clickhouse)
    assert (log.body(shortened), log.body(untouched)) == (None, LONG_BODY.decode())
    assert shown(log.clickhouse, gone) == []
    stamped = log.delivery(3)
    assert expires_in_days(log, stamped) == (5, 40)
    write_settings(log.clickhouse, {(log.tenant_id, log.webhook_id): Setting()})
    apply_settings(log.clickhouse)
    await_mutations(log.clickhouse)
    assert expires_in_days(log, stamped) == (BODY_DAYS_DEFAULT, ROW_DAYS_DEFAULT)
    assert apply_settings(log.clickhouse) == 0


def expires_in_days(log: Log, delivery_id: str) -> tuple[int, int]:
    sql = (
        "SELECT body_expires_at - toDateTime(received_at) AS bodies, row_expires_at - toDateTime(received_at) AS rows "
        "FROM deliveries FINAL WHERE delivery_id = {id:UUID}"
    )
    [row] = log.clickhouse.query(sql, {"id": delivery_id})
    return row["bodies"] // 86_400, row["rows"] // 86_400


def test_rejections_have_a_retention_of_their_own(log: Log) -> None:
    at_us = log.now - 10 * DAY_US
    ids = delivery_ids(3, at_us)
    old = rejection_record(ids[0], log.now - (REJECTION_DAYS_DEFAULT + 1) * DAY_US, tenant_id=None)
    records = [
        rejection_record(ids[1], at_us, tenant_id=log.tenant_id),
        rejection_record(ids[2], at_us, tenant_id=None),
    ]
    keep(log.clickhouse, rejections=[old, *records])

    def left() -> set[str]:
        log.clickhouse.execute("OPTIMIZE TABLE rejections FINAL")
        sql = "SELECT rejection_id FROM rejections WHERE rejection_id IN {ids:Array(UUID)}"
        return {str(row["rejection_id"]) for row in log.clickhouse.query(sql, {"ids": ids})}

    assert left() == {ids[1], ids[2]}
    write_settings(log.clickhouse, {(log.tenant_id, NIL): Setting(30, 400, 9)})
    apply_settings(log.clickhouse)
    await_mutations(log.clickhouse)
    assert left() == {ids[2]}


def test_what_a_sink_has_read_stays_in_force_while_clickhouse_is_away(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ClickHouseUnavailableError("away")

    live, fresh = LiveRetention(log.clickhouse), LiveRetention(log.clickhouse)
    read = live()
    monkeypatch.setattr(log.clickhouse, "query", away)
    monkeypatch.setattr("infra.retention.settings.REFRESH_SECONDS", 0.0)
    assert live() is read
    with pytest.raises(ClickHouseUnavailableError):
        fresh()


def test_settings_go_from_the_api_to_clickhouse_and_outlive_their_webhook(
    management_base: ManagementBase, clickhouse_engine: ClickHouse
) -> None:
    base, tenant_id = management_base, str(management_base.tenant.id)
    webhook = create_webhook(base, "kept-shortly", retention_days={"bodies": 1, "rows": 8})
    assert webhook["retention_days"] == {"bodies": 1, "rows": 8}
    base.call("PATCH", f"/tenants/{tenant_id}", json={"retention_days": {"bodies": 3, "rejections": 2}})

    def copied() -> dict[str, Setting]:
        with relay_connection(base.settings.postgres) as connection:
            copy_settings(connection, clickhouse_engine)
        return {key[1]: setting for key, setting in read_settings(clickhouse_engine).items() if key[0] == tenant_id}

    assert copied() == {NIL: Setting(3, 400, 2), webhook["id"]: Setting(1, 8)}
    base.call("PATCH", f"{WEBHOOKS}/{webhook['id']}", json={"retention_days": {"bodies": 2}})
    assert get_webhook(base, webhook["id"])["retention_days"] == {"bodies": 2, "rows": 8}
    assert copied()[webhook["id"]] == Setting(2, 8)
    base.call("PATCH", f"{WEBHOOKS}/{webhook['id']}", json={"retention_days": None})
    assert copied()[webhook["id"]] == Setting()
    base.call("PATCH", f"{WEBHOOKS}/{webhook['id']}", json={"retention_days": {"bodies": 2, "rows": 9}})
    assert copied()[webhook["id"]] == Setting(2, 9)
    assert base.call("DELETE", f"{WEBHOOKS}/{webhook['id']}").status_code == 204
    assert copied()[webhook["id"]] == Setting(2, 9)
    entry = base.rows(
        "SELECT before, after FROM audit_entries WHERE action = 'tenant.updated' ORDER BY id DESC LIMIT 1"
    )
    assert entry == [
        {
            "before": {"body_retention_days": 30, "rejection_retention_days": 14},
            "after": {"body_retention_days": 3, "rejection_retention_days": 2},
        }
    ]


@pytest.mark.parametrize(
    ("days", "path"),
    [
        ({"bodies": -1, "rows": 400}, "retention_days.bodies"),
        ({"bodies": 3_651, "rows": 400}, "retention_days.bodies"),
        ({"bodies": 0, "rows": 6}, "retention_days.rows"),
        ({"bodies": 50, "rows": 49}, "retention_days.rows"),
        ({"bodies": 50, "rows": 50.5}, "retention_days.rows"),
        ({"bodies": 50}, "retention_days.rows"),
        ({"bodies": 1, "rows": 9, "all": 1}, "retention_days.all"),
        (30, "retention_days"),
    ],
)
def test_days_of_a_webhook_that_make_no_sense_are_refused_by_name(
    management_base: ManagementBase, days: object, path: str
) -> None:
    body = {"name": "n", "slug": f"n-{uuid4()}", "handler_config": {"action": "createTicket", "field_mapping": {}}}
    assert path in problems_of(management_base.call("POST", WEBHOOKS, json={**body, "retention_days": days}))


@pytest.mark.parametrize(
    ("days", "path"),
    [
        ({"bodies": -1}, "retention_days.bodies"),
        ({"rows": 6}, "retention_days.rows"),
        ({"rows": 3_651}, "retention_days.rows"),
        ({"rejections": 0}, "retention_days.rejections"),
        ({"bodies": 401, "rows": 400}, "retention_days.rows"),
        ({"bodies": None}, "retention_days.bodies"),
        ({"some": 1}, "retention_days.some"),
    ],
)
def test_days_of_a_tenant_that_make_no_sense_are_refused_by_name(
    management_base: ManagementBase, days: object, path: str
) -> None:
    answer = management_base.call(
        "PATCH",
        f"/tenants/{management_base.other_tenant.id}",
        json={"retention_days": days},
        headers=management_base.other_tenant.headers,
    )
    assert path in problems_of(answer)
