"""Hookline's own alerts over the real stores: raised once, told once, resolved by themselves, each tenant's its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka import Producer

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.ids import uuid7_text
from infra.kafka import producer_properties
from infra.ledger.core.counts import Difference, Kind
from infra.postgres import open_pool
from infra.settings import AlertSettings, AnalyticsSettings
from infra.topics import RECORDED, REQUEST_DEAD_LETTERS
from management.alerting.core.changes import Changes
from management.alerting.job import AlertJob
from management.alerting.session import AlertSession, Written
from management.group_watch import GroupWatch
from management.ledger.repository import tenant_ledger
from schemas import headers as record_headers
from schemas.records import DispatchStatus
from tests.support.alerts import HOUR_US, Alarms, evaluating, look_until
from tests.support.analytics import begin_at_the_end, outcome_record
from tests.support.dead_letters import action_letter, request_letter, write_letters
from tests.support.events import check_events
from tests.support.management import ManagementBase
from tests.support.wait import eventually

FAILED, DISPATCHED = DispatchStatus.FAILED, DispatchStatus.DISPATCHED


@pytest.fixture(scope="module")
def alarms(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> Iterator[Alarms]:
    """The analytics groups are this module's own and have read all there is: else the log would end long ago."""
    settings = management_base.settings.model_copy(
        update={
            "alerts": AlertSettings(interval_seconds=1),
            "analytics": AnalyticsSettings(group_id=f"alerts-{uuid.uuid4().hex}"),
        }
    )
    begin_at_the_end(settings)
    with evaluating(settings, clickhouse_engine) as (evaluation, session):
        yield Alarms(management_base, clickhouse_engine, settings, management_base.tenant, evaluation, session)


def test_failures_raise_one_alert_and_one_event_however_often_one_looks(alarms: Alarms) -> None:
    webhook_id = alarms.add_webhook("RMM alerts")
    alarms.deliver(webhook_id, FAILED, 5)
    alarms.deliver(webhook_id, DISPATCHED, 15)
    healthy = alarms.add_webhook("Healthy")
    alarms.deliver(healthy, FAILED, 1)
    alarms.deliver(healthy, DISPATCHED, 30)
    assert alarms.look().raised >= 1
    for _ in range(2):
        alarms.look()
    [alert] = alarms.alerts(webhook_id)
    assert (alert["rule"], alert["state"], alert["severity"]) == ("failure_rate", "open", "warning")
    assert alert["message"] == (
        "RMM alerts: 5 of 20 deliveries that were received in the last 60 minutes failed: 25.0 % (bound: 20 %)."
    )
    assert alert["details"] == {"failed": 5, "finished": 20, "failed_percent": 25.0}
    assert alarms.alerts(healthy) == []
    [event] = alarms.told(webhook_id)
    check_events([event])
    assert (event["type"], event["actor"]["type"], event["entity_id"]) == ("alert.raised", "system", str(alert["id"]))


def test_what_is_over_is_resolved_once_and_between_the_bounds_nothing_changes(alarms: Alarms) -> None:
    webhook_id = alarms.add_webhook("Flapping")
    alarms.deliver(webhook_id, FAILED, 10)
    alarms.deliver(webhook_id, DISPATCHED, 10)
    alarms.look()
    alarms.deliver(webhook_id, DISPATCHED, 50)  # 14 %: below what raises, above what resolves
    alarms.look()
    assert alarms.open_rules(webhook_id) == ["failure_rate"]
    alarms.deliver(webhook_id, DISPATCHED, 80)  # 6.7 %
    alarms.look()
    alarms.look()
    [alert] = alarms.alerts(webhook_id)
    assert alert["state"] == "resolved"
    assert alert["resolution"].startswith("Flapping: 10 of 150 deliveries")
    raised, resolved = alarms.told(webhook_id)
    check_events([raised, resolved])
    assert resolved["changes"] == {"state": {"previous": "open", "new": "resolved"}}
    alarms.deliver(webhook_id, FAILED, 40)
    alarms.look()
    assert [one["state"] for one in alarms.alerts(webhook_id)] == ["resolved", "open"]


def test_late_outcomes_are_held_to_the_target_of_the_webhooks_priority(alarms: Alarms) -> None:
    critical, low = alarms.add_webhook("Critical", priority=3), alarms.add_webhook("Low", priority=0)
    for webhook_id in (critical, low):
        alarms.deliver(webhook_id, DISPATCHED, 5, seconds=30)
        alarms.deliver(webhook_id, DISPATCHED, 20)
    alarms.look()
    [alert] = alarms.alerts(critical)
    assert (alert["rule"], alert["details"]["late"], alert["details"]["target_seconds"]) == ("sla", 5, 5.0)
    assert alarms.alerts(low) == []


def test_refused_proofs_are_counted_as_their_records_say_and_only_while_the_webhook_takes_requests(
    alarms: Alarms,
) -> None:
    webhook_id, off = alarms.add_webhook("Wrong secret"), alarms.add_webhook("Off", active=False)
    for one in (webhook_id, off):
        alarms.refuse(one, 60)
    alarms.look()
    [alert] = alarms.alerts(webhook_id)
    assert alert["details"] == {"refused": 60, "reasons": ["rejected_signature"]}
    assert alarms.alerts(off) == []
    alarms.base.write("UPDATE webhooks SET is_active = false WHERE id = %s", (webhook_id,))
    alarms.look()
    assert (
        alarms.alerts(webhook_id)[0]["resolution"]
        == "Wrong secret: The webhook is gone, or takes no requests any more."
    )


def test_a_webhook_that_fell_silent_is_noticed_until_it_speaks_again(alarms: Alarms) -> None:
    webhook_id, young = alarms.add_webhook("Steady"), alarms.add_webhook("Young")
    this_hour = now_us() // HOUR_US
    alarms.speak(webhook_id, range(this_hour - 24 * 21, this_hour - 5))
    alarms.speak(young, range(this_hour - 24 * 3, this_hour - 5))
    with evaluating(alarms.settings, alarms.clickhouse) as (evaluation, session):  # it has not learnt anything yet
        # Webhooks are learnt by pages, one a look, and the log has those of earlier tests.
        look_until(evaluation, session, lambda: alarms.open_rules(webhook_id), what="an alert of the silent webhook")
    assert alarms.open_rules(webhook_id) == ["silence"]
    assert "Nothing came since" in alarms.alerts(webhook_id)[0]["message"]
    assert alarms.alerts(young) == []
    alarms.deliver(webhook_id, DISPATCHED, 1, minutes_ago=1)
    alarms.look()
    assert [one["resolution"] for one in alarms.alerts(webhook_id)] == ["Steady: It speaks again."]


def test_dead_letters_are_their_webhooks_or_the_operators(alarms: Alarms) -> None:
    of_requests, of_actions = alarms.add_webhook("Requests"), alarms.add_webhook("Actions")
    tenant_id, unreadable = str(alarms.tenant.id), [(record_headers.TENANT_ID, b"\xff")]
    command = {"delivery_id": str(uuid.uuid4()), "tenant_id": tenant_id, "webhook_id": str(of_actions)}
    letters = [
        *(request_letter(tenant_id, str(of_requests)), action_letter(command)),
        request_letter(tenant_id, str(of_requests), headers=unreadable),
    ]
    write_letters(alarms.settings.kafka, letters)
    with evaluating(alarms.settings, alarms.clickhouse) as (evaluation, session):  # it reads what came before it, too
        look_until(
            *(evaluation, session),
            lambda: all(alarms.alerts(one) for one in (of_requests, of_actions)),
            what="alerts of the dead letters",
        )
    for webhook_id in (of_requests, of_actions):
        [alert] = alarms.alerts(webhook_id)
        assert (alert["rule"], alert["severity"], alert["details"]) == ("dead_letters", "critical", {"records": 1})
    subject = f"dead letters/{REQUEST_DEAD_LETTERS}"
    [nobodys] = alarms.base.rows("SELECT * FROM alerts WHERE tenant_id IS NULL AND subject = %s", (subject,))
    assert nobodys["state"] == "open"
    shown = alarms.base.call("GET", "/alerts", params={"per_page": 100}).text
    assert str(of_requests) in shown
    assert subject not in shown
    assert alarms.base.call("GET", f"/alerts/{nobodys['id']}").status_code == 404
    assert alarms.base.rows("SELECT FROM outbox WHERE entity_id = %s", (nobodys["id"],)) == []


def test_parameters_of_a_webhook_go_before_those_of_the_tenant_and_a_rule_can_be_switched_off(alarms: Alarms) -> None:
    strict, usual = alarms.add_webhook("Strict"), alarms.add_webhook("Usual")
    for webhook_id in (strict, usual):
        alarms.deliver(webhook_id, FAILED, 2, minutes_ago=120)
        alarms.deliver(webhook_id, DISPATCHED, 30, minutes_ago=120)
    body = {"parameters": {"failed_percent": 5, "window_minutes": 360, "severity": "critical"}}
    place = {"webhook_id": str(strict)}
    assert alarms.base.call("PUT", "/alert-rules/failure_rate", params=place, json=body).status_code == 200
    alarms.look()
    [alert] = alarms.alerts(strict)
    assert (alert["rule"], alert["severity"]) == ("failure_rate", "critical")
    assert alarms.alerts(usual) == []
    off = {"parameters": {"enabled": False}}
    assert alarms.base.call("PUT", "/alert-rules/failure_rate", params=place, json=off).status_code == 200
    alarms.look()
    assert alarms.alerts(strict)[0]["resolution"] == "Strict: The rule is switched off."


def differ(alarms: Alarms, *found: Difference, resolved: tuple[Kind, ...] = ()) -> None:
    """What an examination of the ledger does: it notes these, and resolves others."""
    with (
        closing(open_pool(alarms.settings.postgres)) as pool,
        tenant_ledger(pool, alarms.tenant.id) as ledger,
    ):
        assert ledger is not None
        noted = [ledger.note(one)[0] for one in found]
        ledger.resolve_others(0, now_us(), resolved, noted)


def ledger_alerts(alarms: Alarms) -> list[tuple[str, str, list[str]]]:
    """State, severity and offsets of each, oldest first."""
    query = "SELECT * FROM alerts WHERE tenant_id = %s AND rule = 'ledger' ORDER BY raised_at, severity, id"
    rows = alarms.base.rows(query, (alarms.tenant.id,))
    return [(row["state"], row["severity"], row["details"]["offsets"]) for row in rows]


def test_what_the_ledger_finds_later_is_an_alert_of_its_own_and_a_tenant_can_switch_the_rule_off(
    alarms: Alarms,
) -> None:
    def range_of(kind: Kind, first: int, last: int) -> Difference:
        count = last - first + 1
        return Difference(str(alarms.tenant.id), 7 * HOUR_US, kind, count, "not there", "raw", 3, first, last)

    first, second = range_of(Kind.LOSS, 4, 9), range_of(Kind.LOSS, 12, 12)
    late, later = range_of(Kind.LATE_PENDING, 20, 21), range_of(Kind.LATE_PENDING, 30, 30)
    differ(alarms, second, first, late)
    alarms.look()
    told = [("open", "critical", ["raw-3:4-9", "raw-3:12-12"]), ("open", "warning", ["raw-3:20-21"])]
    assert ledger_alerts(alarms) == told
    third = range_of(Kind.LOSS, 40, 40)
    differ(alarms, third, later)
    for _ in range(2):
        alarms.look()
    told.append(("open", "critical", ["raw-3:40-40"]))
    assert ledger_alerts(alarms)[:3] == told
    differ(alarms, second, third, late, resolved=(Kind.LOSS, Kind.LATE_PENDING))
    alarms.look()
    assert ledger_alerts(alarms)[:3] == told, "something of each is still open"
    differ(alarms, third, late, resolved=(Kind.LOSS, Kind.LATE_PENDING))
    alarms.look()
    assert [state for state, _, _ in ledger_alerts(alarms)][:3] == ["resolved", "open", "open"]
    off = {"parameters": {"enabled": False}}
    assert alarms.base.call("PUT", "/alert-rules/ledger", json=off).status_code == 200
    alarms.look()
    assert {state for state, _, _ in ledger_alerts(alarms)} == {"resolved"}


def test_two_that_look_at_the_same_time_raise_and_tell_once(alarms: Alarms) -> None:
    """Each has found the same, before either has written it: as a leader that lost its lead without knowing."""
    webhook_id = alarms.add_webhook("Twice")
    alarms.deliver(webhook_id, FAILED, 20)
    with evaluating(alarms.settings, alarms.clickhouse) as (other, second):
        other.look(LateSession(second, alarms), now_us())
    assert [alert["state"] for alert in alarms.alerts(webhook_id)] == ["open"]
    assert [event["type"] for event in alarms.told(webhook_id)] == ["alert.raised"]


class LateSession(AlertSession):
    """Another one looks and writes between its reading and its writing."""

    def __init__(self, session: AlertSession, alarms: Alarms) -> None:
        super().__init__(session._connection)
        self._alarms = alarms

    def write(self, changes: Changes, evaluation_id: str, now_us: int) -> Written:
        assert self._alarms.look().raised > 0
        written = super().write(changes, evaluation_id, now_us)
        assert written.raised == 0
        return written


def test_a_crash_before_the_commit_leaves_neither_alert_nor_event(
    alarms: Alarms, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook_id = alarms.add_webhook("Crash")
    alarms.deliver(webhook_id, FAILED, 20)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(AlertSession, "_tell", dies)
        with pytest.raises(KeyboardInterrupt):
            alarms.look()
    assert alarms.alerts(webhook_id) == []
    alarms.look()
    assert len(alarms.alerts(webhook_id)) == len(alarms.told(webhook_id)) == 1


@pytest.fixture
def jobs(alarms: Alarms) -> Iterator[tuple[AlertJob, AlertJob]]:
    """As in two processes of management, each with a watch of its own."""
    watches = GroupWatch(alarms.settings), GroupWatch(alarms.settings)
    first, second = (AlertJob(alarms.settings, alarms.clickhouse, watch) for watch in watches)
    for job in (first, second):
        job.start()
    yield first, second
    for job, watch in zip((first, second), watches, strict=True):
        job.stop(30)
        watch.close()


def states(jobs: tuple[AlertJob, AlertJob]) -> list[str]:
    return sorted(str(job.health().details["state"]) for job in jobs)


def test_of_two_jobs_one_leads_and_the_other_takes_over(alarms: Alarms, jobs: tuple[AlertJob, AlertJob]) -> None:
    eventually(lambda: states(jobs) == ["leader", "standby"], timeout_seconds=60, what="one leader")
    webhook_id = alarms.add_webhook("By the job")
    alarms.deliver(webhook_id, FAILED, 20, minutes_ago=1)
    eventually(lambda: alarms.open_rules(webhook_id) == ["failure_rate"], timeout_seconds=60, what="an alert")
    [leader] = [job for job in jobs if job.health().details["state"] == "leader"]
    [other] = [job for job in jobs if job is not leader]
    eventually(lambda: leader.health().ready, timeout_seconds=60, what="the leader to be ready")
    eventually(lambda: leader.health().details["open_alerts"], timeout_seconds=30, what="open alerts in its health")
    leader.stop(30)
    eventually(lambda: other.health().details["state"] == "leader", timeout_seconds=60, what="the other to lead")
    assert not leader.health().ready


def test_an_alert_of_a_webhook_that_was_deleted_is_resolved(alarms: Alarms) -> None:
    webhook_id: UUID = alarms.add_webhook("Deleted")
    alarms.deliver(webhook_id, FAILED, 20, minutes_ago=2)
    alarms.look()
    alarms.base.write("DELETE FROM webhooks WHERE id = %s", (webhook_id,))
    alarms.look()
    assert [one["state"] for one in alarms.alerts(webhook_id)] == ["resolved"]


def test_a_consumer_that_is_about_to_lose_data_is_named_with_the_time_that_is_left(alarms: Alarms) -> None:
    """A group that has read all but one record, of four days ago in a topic that keeps seven. The last test here: now
    the delivery log of the other groups ends four days ago."""
    group_id = f"alerts-{uuid.uuid4().hex}"
    changes = {"alerts": AlertSettings(data_loss_hours=8_760), "analytics": AnalyticsSettings(group_id=group_id)}
    settings = alarms.settings.model_copy(update=changes)
    begin_at_the_end(settings)  # else records of earlier tests, which are younger, may be first in its partition
    old_at_us = now_us() - 4 * 24 * HOUR_US
    record = outcome_record(uuid7_text(old_at_us), old_at_us, tenant_id=str(uuid.uuid4()))
    producer = Producer(producer_properties(settings.kafka, "test-old", ack_timeout_seconds=30))
    producer.produce(RECORDED, record.value(), key=record.key(), timestamp=old_at_us // 1_000)
    assert producer.flush(30) == 0

    def alerts() -> list[dict[str, Any]]:
        return alarms.base.rows(
            "SELECT * FROM alerts WHERE tenant_id IS NULL AND rule = 'data_loss' AND subject = %s",
            (f"{group_id}-outcomes/{RECORDED}",),
        )

    with evaluating(settings, alarms.clickhouse) as (evaluation, session):
        look_until(evaluation, session, alerts, what="an alert of the data that is about to be lost")
    [alert] = alerts()
    assert alert["message"].startswith(f"consumer {group_id}-outcomes loses data of {RECORDED} in 2 d 23 h")
    assert alert["severity"] == "critical"
