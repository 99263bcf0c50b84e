"""The ledger on a real broker, log and database: whole hours balance, and each injected loss or duplicate is named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from statistics import mode
from typing import Any
from uuid import UUID

import pytest

from hookline.embedded.kafka import start_kafka
from hookline.embedded.postgres import PostgresServer
from infra.clickhouse import ClickHouse
from infra.clock import HOUR_US, now_us
from infra.errors import KafkaUnavailableError
from infra.ledger.core.counts import HourCounts, Kind
from infra.ledger.examination import Examination
from infra.migrations import migrate
from infra.postgres import Pool, open_pool
from infra.settings import AnalyticsSettings, LedgerSettings
from infra.topics import RECEIVED
from management.ledger import bookkeeping
from management.ledger.bookkeeping import Bookkeeping, keep_chain, keep_tenant
from management.ledger.repository import LedgerRepository, moment, tenant_ledger
from management.ledger.schemas import LedgerDifferenceFilter, LedgerFilter, LedgerVerification, VerificationRequest
from management.ledger.service import LedgerService
from management.relays.session import relay_connection
from schemas.headers import Replay
from tests.support.alerts import evaluating
from tests.support.analytics import make_topics, request_record
from tests.support.events import check_events
from tests.support.ledger_stage import LedgerStage, Sent
from tests.support.management import KnownTenant, management_settings, owner_of
from tests.support.ports import silent_port, with_broker_at
from tests.support.stack import new_database
from tests.support.wait import eventually


@pytest.fixture(scope="module")
def stage(
    postgres: PostgresServer, clickhouse_engine: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LedgerStage]:
    """A broker of these tests' own: the ledger looks at every record of a topic."""
    folder = tmp_path_factory.mktemp("ledger")
    with start_kafka(folder / "kafka") as broker, new_database(postgres.dsn) as dsn:
        migrate(dsn)
        settings = management_settings(broker.bootstrap, dsn, folder / "master.key")
        kafka = settings.kafka.model_copy(update={"request_partitions": 2})
        analytics, ledger = AnalyticsSettings(group_id="ledger-analytics"), LedgerSettings(interval_seconds=0.1)
        settings = settings.model_copy(update={"kafka": kafka, "analytics": analytics, "ledger": ledger})
        make_topics(settings)
        with closing(LedgerStage(settings, clickhouse_engine, dsn)) as made:
            yield made


@pytest.fixture(scope="module")
def pool(stage: LedgerStage) -> Iterator[Pool]:
    opened = open_pool(stage.settings.postgres)
    yield opened
    opened.close()


def keep(pool: Pool, tenant: KnownTenant, examination: Examination, later_us: int = 0) -> None:
    """As the leading management does."""
    with tenant_ledger(pool, tenant.id) as ledger:
        assert ledger is not None
        keep_tenant(ledger, str(tenant.id), examination, now_us() + later_us)


def counted(examination: Examination, tenant: KnownTenant) -> HourCounts:
    return examination.counts[str(tenant.id), examination.window.since_us]


def verified(stage: LedgerStage, pool: Pool, tenant: KnownTenant, hour_us: int) -> LedgerVerification:
    service = LedgerService(LedgerRepository(pool), stage.settings, stage.clickhouse)
    wanted = VerificationRequest(since=moment(hour_us), until=moment(hour_us + HOUR_US))
    return service.verify(tenant.id, wanted)


def opened(pool: Pool, tenant: KnownTenant) -> list[tuple[str, str]]:
    """Kind and place of each open difference."""
    rows, _ = LedgerRepository(pool).differences(tenant.id, LedgerDifferenceFilter(open=True))
    return [
        (row["kind"], f"{row['topic']}-{row['partition']}:{row['first_offset']}-{row['last_offset']}") for row in rows
    ]


def place(one: Sent, last: Sent | None = None) -> str:
    return f"{RECEIVED}-{one.partition}:{one.offset}-{(last or one).offset}"


def whole_hour(stage: LedgerStage, tenant: KnownTenant, count: int = 12) -> tuple[int, list[Sent]]:
    """Requests that were acknowledged, ended and stored."""
    hour_us = stage.new_hour()
    sent = stage.send(tenant, hour_us, count)
    stage.attest(sent)
    stage.end(sent)
    stage.store()
    return hour_us, sent


def test_an_hour_in_which_nothing_is_missing_is_entered_and_verified(stage: LedgerStage, pool: Pool) -> None:
    tenant, hour_us = stage.new_tenant(), stage.new_hour()
    sent = stage.send(tenant, hour_us, 20)
    replay = Replay(str(UUID(int=1)), sent[0].text, "redrive", 1)
    others = stage.send(tenant, hour_us, 2, is_test=True) + stage.send(tenant, hour_us, 3, replay=replay)
    others += stage.send(tenant, hour_us, 1, is_test=True, replay=replay)
    sent[0].invalid_json = sent[1].answered = True
    stage.attest(sent)
    stage.end(sent[:5], "duplicate")
    stage.end(sent[5:7], "filtered")
    stage.end(sent[7:10], "failed")
    stage.end(sent[10:] + others)
    stage.store()
    examination = stage.examine(hour_us)
    counts = counted(examination, tenant)
    assert (counts.accepted, counts.invalid_json, counts.late, counts.unattested) == (18, 1, 1, 0), counts
    assert (counts.raw, counts.tests, counts.replays, counts.requests) == (26, 3, 3, 20)
    assert (counts.duplicate, counts.filtered, counts.failed, counts.dispatched, counts.pending) == (5, 2, 3, 16, 0)
    assert counts.attested_digest == counts.request_digest > 0
    assert examination.differences == ()
    keep(pool, tenant, examination)
    keep(pool, tenant, stage.examine(hour_us))
    [entry], total = LedgerRepository(pool).entries(tenant.id, LedgerFilter())
    assert (total, entry.number, entry.revision, HourCounts.from_json(entry.counts)) == (1, 1, 0, counts)
    found = verified(stage, pool, tenant, hour_us)
    assert (found.verdict, found.outcomes_judged, found.chain.head_hash) == ("balanced", True, entry.hash)
    assert [(hour.state, hour.entry_number, hour.differs) for hour in found.hours] == [("entered", 1, False)]


def test_a_row_that_is_taken_out_of_the_log_is_a_loss_with_its_offset_until_it_is_back(
    stage: LedgerStage, pool: Pool
) -> None:
    tenant = stage.new_tenant()
    hour_us, sent = whole_hour(stage, tenant)
    keep(pool, tenant, stage.examine(hour_us))
    # A key goes to any of the two partitions: of the fuller one alone it is sure that it has three records.
    fullest = mode(one.partition for one in sent)
    lost = [one for one in sorted(sent, key=lambda one: one.offset) if one.partition == fullest][1:3]
    stage.delete(lost)
    found = verified(stage, pool, tenant, hour_us)
    assert found.verdict == "different"
    assert [(one.kind, one.offsets, one.count) for one in found.differences] == [
        (Kind.ALTERED, None, 2),
        (Kind.LOSS, place(*lost), 2),
    ]
    assert place(*lost) in found.words
    keep(pool, tenant, stage.examine(hour_us))
    assert sorted(opened(pool, tenant)) == [("altered", "--1:-1--1"), ("loss", place(*lost))]
    bring_back(stage, lost)
    keep(pool, tenant, stage.examine(hour_us))
    assert opened(pool, tenant) == []
    assert len(LedgerRepository(pool).entries(tenant.id, LedgerFilter())[0]) == 1
    assert verified(stage, pool, tenant, hour_us).verdict == "balanced"


def bring_back(stage: LedgerStage, lost: list[Sent]) -> None:
    """Into the log, as if nobody had taken them out."""
    for one in lost:
        made = request_record(one.text, one.received_at, tenant_id=one.tenant_id)
        stage.write_row(replace(made, made_offset=one.offset), one.partition)
    stage.end(lost)
    stage.store()


def alerts_and_events(stage: LedgerStage, tenant: KnownTenant) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Of a tenant, after a look at all rules."""
    with evaluating(stage.settings, stage.clickhouse) as (evaluation, session):
        evaluation.look(session, now_us())
    with owner_of(stage.dsn) as owner:
        alerts = owner.execute(b"SELECT * FROM alerts WHERE tenant_id = %s ORDER BY rule, id", (tenant.id,)).fetchall()
        of_alerts = b"SELECT payload FROM outbox WHERE tenant_id = %s AND entity_type = 'alert' ORDER BY position"
        return alerts, [row["payload"] for row in owner.execute(of_alerts, (tenant.id,))]


def test_a_loss_is_one_critical_alert_with_its_offsets_until_it_is_back(stage: LedgerStage, pool: Pool) -> None:
    tenant, other = stage.new_tenant(), stage.new_tenant()
    hour_us, sent = whole_hour(stage, tenant)
    stage.delete(lost := sent[4:5])
    keep(pool, tenant, stage.examine(hour_us))
    alerts_and_events(stage, tenant)
    [alert], [event] = alerts_and_events(stage, tenant)
    assert (alert["rule"], alert["severity"], alert["state"], alert["webhook_id"]) == (
        "ledger",
        "critical",
        "open",
        None,
    )
    assert alert["message"].startswith("loss: 1 record missing, received from ")
    assert f"; offsets {place(*lost)}; in the topic, but not in the log." in alert["message"]
    assert (alert["details"]["kind"], alert["details"]["records"]) == ("loss", 1)
    assert alert["details"]["offsets"] == [place(*lost)]
    assert alerts_and_events(stage, other) == ([], [])
    bring_back(stage, lost)
    keep(pool, tenant, stage.examine(hour_us))
    [alert], events = alerts_and_events(stage, tenant)
    assert (alert["state"], alert["resolution"]) == ("resolved", "The ledger finds this difference no longer.")
    assert [one["type"] for one in events] == ["alert.raised", "alert.resolved"]
    check_events(events)
    assert event["data"]["details"]["offsets"] == [place(*lost)]


def test_two_deliveries_of_one_record_are_a_duplicate(stage: LedgerStage) -> None:
    tenant = stage.new_tenant()
    hour_us, sent = whole_hour(stage, tenant)
    twice = sent[3]
    made = request_record(f"{twice.text[:-4]}beef", twice.received_at, tenant_id=twice.tenant_id)
    stage.write_row(replace(made, made_offset=twice.offset), twice.partition)
    differences = stage.examine(hour_us, tenant).differences
    found = [(one.kind, one.place) for one in differences]
    assert found == [(Kind.DUPLICATE, place(twice)), (Kind.LATE_PENDING, place(twice))], "it has no outcome, either"


def test_a_delivery_that_was_written_to_the_topic_twice_is_a_duplicate(stage: LedgerStage) -> None:
    tenant, hour_us = stage.new_tenant(), stage.new_hour()
    sent = stage.send(tenant, hour_us, 3)
    [again] = stage.send(tenant, hour_us, 1, again=sent[1])
    stage.attest(sent)
    stage.end(sent)
    stage.clickhouse.execute("SYSTEM STOP MERGES deliveries")  # it is one before the log has put the two together
    try:
        stage.store()
        [difference] = stage.examine(hour_us, tenant).differences
    finally:
        stage.clickhouse.execute("SYSTEM START MERGES deliveries")
    assert difference.kind is Kind.DUPLICATE
    assert difference.place in {place(sent[1]), place(again)}, "the log keeps one of the two"


def test_a_request_that_every_stage_has_passed_is_late_and_its_outcome_is_a_revision(
    stage: LedgerStage, pool: Pool
) -> None:
    tenant, hour_us = stage.new_tenant(), stage.new_hour()
    sent = stage.send(tenant, hour_us, 4)
    stage.attest(sent)
    stage.end(sent[1:])
    stage.store()
    examination = stage.examine(hour_us)
    keep(pool, tenant, examination)
    assert counted(examination, tenant).pending == 1
    assert opened(pool, tenant) == [("late_pending", place(sent[0]))]
    stage.end(sent[:1], "failed")
    stage.store()
    keep(pool, tenant, stage.examine(hour_us))
    assert opened(pool, tenant) == []
    newest, first = LedgerRepository(pool).entries(tenant.id, LedgerFilter())[0]
    assert (first.revision, first.counts["pending"]) == (0, 1)
    assert (newest.revision, newest.counts["pending"], newest.previous_hash) == (1, 0, first.hash)
    assert verified(stage, pool, tenant, hour_us).verdict == "balanced"


def test_what_a_receiver_did_not_live_to_attest_is_no_loss(stage: LedgerStage) -> None:
    tenant, hour_us = stage.new_tenant(), stage.new_hour()
    sent = stage.send(tenant, hour_us, 5)
    stage.attest(sent[:3])
    stage.end(sent)
    stage.store()
    examination = stage.examine(hour_us, tenant)
    assert examination.differences == ()
    assert counted(examination, tenant).unattested == 2


def test_a_receiver_that_had_more_acknowledged_than_there_is_tells_of_a_loss(stage: LedgerStage) -> None:
    tenant, hour_us = stage.new_tenant(), stage.new_hour()
    sent = stage.send(tenant, hour_us, 3)
    beyond = replace(sent[0], offset=sent[0].offset + 1_000_000)
    stage.attest([*sent, beyond, replace(sent[1], offset=-1001)])
    stage.end(sent)
    stage.store()
    differences = stage.examine(hour_us, tenant).differences
    assert [(one.kind, one.count, one.place) for one in differences] == [
        (Kind.LOSS, 1, place(beyond)),
        (Kind.LOSS, 1, ""),
    ]


def test_as_many_records_as_were_acknowledged_but_another_one_are_told_apart(stage: LedgerStage) -> None:
    tenant, hour_us = stage.new_tenant(), stage.new_hour()
    sent = stage.send(tenant, hour_us, 3)
    stage.attest([*sent[1:], replace(sent[0], delivery_id=sent[0].delivery_id[:-4] + b"0000")])
    stage.end(sent)
    stage.store()
    [difference] = stage.examine(hour_us, tenant).differences
    assert (difference.kind, difference.count) == (Kind.EXCHANGED, 3)


def test_an_entry_that_was_changed_or_taken_out_breaks_the_chain(stage: LedgerStage, pool: Pool) -> None:
    tenant = stage.new_tenant()
    for _ in range(3):
        hour_us, _ = whole_hour(stage, tenant, 2)
        keep(pool, tenant, stage.examine(hour_us))
    assert verified(stage, pool, tenant, hour_us).chain.entries == 3
    with owner_of(stage.dsn) as owner:
        tampering = "UPDATE ledger_entries SET counts = counts || '{\"raw\": 1}' WHERE tenant_id = %s AND number = 2"
        owner.execute(tampering.encode(), (tenant.id,))
        found = verified(stage, pool, tenant, hour_us)
        assert (found.verdict, found.chain.broken_at) == ("different", 2)
        assert "entry 2 was changed" in found.words
        owner.execute(b"DELETE FROM ledger_entries WHERE tenant_id = %s AND number = 2", (tenant.id,))
    assert verified(stage, pool, tenant, hour_us).chain.problem == "entry 2 is missing"


def test_a_broken_chain_is_a_critical_alert_until_it_is_whole(stage: LedgerStage, pool: Pool) -> None:
    tenant, other, repository = stage.new_tenant(), stage.new_tenant(), LedgerRepository(pool)
    for _ in range(2):
        hour_us, _ = whole_hour(stage, tenant, 2)
        keep(pool, tenant, stage.examine(hour_us))

    def change_entry(by: int) -> None:
        with owner_of(stage.dsn) as owner:
            statement = b"UPDATE ledger_entries SET revision = revision + %s WHERE tenant_id = %s AND number = 1"
            owner.execute(statement, (by, tenant.id))
        for one in (tenant, other):
            keep_chain(pool, repository, str(one.id))

    change_entry(7)
    keep(pool, tenant, stage.examine(hour_us))
    alerts_and_events(stage, tenant)
    [alert], [event] = alerts_and_events(stage, tenant)
    assert (alert["rule"], alert["severity"], alert["state"]) == ("ledger", "critical", "open")
    assert alert["message"].startswith("broken_chain: 1 entry of the chain changed or taken out after it was made, of ")
    assert alert["message"].endswith("; entry 1 was changed after it was made.")
    assert (event["type"], alert["details"]["kind"]) == ("alert.raised", "broken_chain")
    assert opened(pool, tenant) == [("broken_chain", "--1:-1--1")]
    assert alerts_and_events(stage, other) == ([], [])
    change_entry(-7)
    [alert], _ = alerts_and_events(stage, tenant)
    assert (alert["state"], opened(pool, tenant)) == ("resolved", [])


def test_a_tenant_sees_nothing_of_anothers_ledger(stage: LedgerStage, pool: Pool) -> None:
    tenant, other = stage.new_tenant(), stage.new_tenant()
    hour_us, sent = whole_hour(stage, tenant)
    stage.delete(sent[:2])
    keep(pool, tenant, stage.examine(hour_us))
    assert opened(pool, tenant) != []
    assert opened(pool, other) == []
    found = verified(stage, pool, other, hour_us)
    assert (found.verdict, found.hours, found.differences, found.chain.entries) == ("balanced", [], [], 0)


def test_one_of_two_keeps_the_ledger_and_the_other_goes_on_when_it_ends(stage: LedgerStage, pool: Pool) -> None:
    tenant = stage.new_tenant()
    stage_settings = stage.settings
    keepers = [Bookkeeping(stage_settings, pool, stage.clickhouse) for _ in range(2)]

    def entries() -> int:
        for keeper in keepers:  # the hours are long ago, and one may be looking back at this moment
            keeper._looked_back_at = float("-inf")
        return LedgerRepository(pool).entries(tenant.id, LedgerFilter())[1]

    try:
        for keeper in keepers:
            keeper.start()
        whole_hour(stage, tenant, 2)
        eventually(lambda: entries() == 1, timeout_seconds=90, what="the hour to be entered")
        keepers[0].stop(20)
        whole_hour(stage, tenant, 2)
        eventually(lambda: entries() == 2, timeout_seconds=90, what="the other to enter the next one")
    finally:
        for keeper in keepers:
            keeper.stop(20)
    assert [keeper.health().ready for keeper in keepers] == [False, False]


def test_many_chains_have_their_turns(stage: LedgerStage, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    for tenant in (tenants := [stage.new_tenant() for _ in range(3)]):
        keep(pool, tenant, stage.examine(whole_hour(stage, tenant, 2)[0]))
    with owner_of(stage.dsn) as owner:
        owner.execute(b"UPDATE ledger_entries SET revision = 7 WHERE tenant_id = %s", (tenants[-1].id,))
    monkeypatch.setattr(bookkeeping, "_CHAINS_SECONDS_MAX", -1.0)  # one with each look
    keeper = Bookkeeping(stage.settings, pool, stage.clickhouse)
    with relay_connection(stage.settings.postgres) as connection:
        keeper.step(connection)
        for left in range(len(keeper._unseen_chains), 0, -1):
            assert len(keeper._unseen_chains) == left
            keeper.step(connection)
    assert [len(opened(pool, tenant)) for tenant in tenants] == [0, 0, 1]


def test_a_look_back_that_failed_is_made_again_over_all_of_its_hours(stage: LedgerStage, pool: Pool) -> None:
    tenant = stage.new_tenant()
    whole_hour(stage, tenant, 2)  # longer ago than the two hours of every look
    keeper = Bookkeeping(stage.settings, pool, stage.clickhouse)
    with silent_port() as port, relay_connection(stage.settings.postgres) as connection:
        keeper._settings = with_broker_at(stage.settings, port)
        began = time.monotonic()
        with pytest.raises(KafkaUnavailableError):
            keeper.step(connection)
        assert time.monotonic() - began < 8, "who refuses the connection is away, and not slow"
        keeper._settings = stage.settings
        keeper.step(connection)
    assert LedgerRepository(pool).entries(tenant.id, LedgerFilter())[1] == 1
