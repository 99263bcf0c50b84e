"""Replay jobs on a real broker, log and database: each record once, in order, wherever the runner is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import TopicPartition

from hookline.embedded.postgres import PostgresServer
from infra.clickhouse import ClickHouse
from infra.clock import rfc3339
from infra.kafka import admin_client
from infra.postgres import open_pool
from infra.settings import Settings
from infra.topics import RECEIVED
from management.replay_jobs import batches, watching
from management.replay_jobs.work import ReplayWork
from tests.support.management import (
    ManagementBase,
    events_kept,
    make_tenant,
    owner_of,
    running_management,
)
from tests.support.replay_jobs import KILLS, Json, Killed, Origin, ReplayStage, own_broker, runner
from tests.support.wait import eventually
from tests.support.webhooks import create_webhook


@pytest.fixture(scope="module")
def stage(
    postgres: PostgresServer, clickhouse_engine: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReplayStage]:
    """A broker of these tests' own, as records are deleted from its topics; nobody leads but who a test makes lead."""
    with (
        own_broker(postgres, tmp_path_factory.mktemp("replays")) as settings,
        _led(settings, clickhouse_engine) as made,
    ):
        yield made


@contextmanager
def _led(settings: Settings, clickhouse: ClickHouse) -> Iterator[ReplayStage]:
    dsn = settings.postgres.dsn.get_secret_value()
    tenants = make_tenant(dsn, "acme"), make_tenant(dsn, "globex")
    with events_kept(dsn), owner_of(dsn) as owner, psycopg.connect(dsn, autocommit=True) as lead:
        lead.execute("SELECT pg_advisory_lock(%s)", (ReplayWork.lock_key,))
        with running_management(settings, clickhouse) as api, open_pool(settings.postgres) as pool:
            base = ManagementBase(dsn, owner, settings, api, *tenants)
            with closing(ReplayStage(base, clickhouse, pool)) as made:
                yield made


@pytest.fixture
def webhook(stage: ReplayStage) -> Json:
    """One of this test's own."""
    return create_webhook(stage.base, f"hook-{uuid4().hex[:8]}")


def test_a_filter_is_replayed_whole_each_key_in_its_order(stage: ReplayStage, webhook: Json) -> None:
    origins = stage.stored(webhook, 40, keys=7)
    stage.stored(create_webhook(stage.base, f"other-{uuid4().hex[:8]}"), 3)
    job = stage.ask(selection={"filter": {"webhook_id": [webhook["id"]], "dispatch_status": ["pending"]}})
    assert (job["state"], job["counts"]["selected"]) == ("planning", 0)
    with runner(stage) as one:
        shown = one.until(job, "done")
    assert shown["counts"] == {
        **{"selected": 40, "published": 40, "present": 0, "lost": 0, "refused": 0, "remaining": 0}
    }
    assert sum(part["passed"] for part in shown["partitions"]) == 40
    stage.check_each_once_in_order(job, origins)
    stage.ledger.store()
    found = stage.base.call("GET", "/deliveries", params={"replay_id": job["id"], "per_page": 100}).json()["data"]
    assert {one["replayed_from"] for one in found} == {one.id for one in origins}
    headers, message = stage.published(job)[0]
    origin = next(one for one in origins if headers.replay is not None and one.id == headers.replay.replay_of)
    assert (message.partition(), message.key(), message.value()) == (origin.partition, origin.key, b"{}")


def test_ids_are_replayed_and_unknown_ones_are_lost(stage: ReplayStage, webhook: Json) -> None:
    origins = stage.stored(webhook, 3)
    unknown = str(uuid4())
    job = stage.ask(selection={"delivery_ids": [unknown, *(one.id for one in origins[:2])]})
    with runner(stage) as one:
        shown = one.until(job, "done")
    assert (shown["counts"]["published"], shown["counts"]["lost"]) == (2, 1)
    stage.check_each_once_in_order(job, origins[:2])
    [lost] = stage.records(job, result="lost")
    assert (lost["delivery_id"], lost["code"], lost["reason"]) == (
        unknown,
        "not_in_log",
        "the log has no such delivery",
    )
    published = stage.records(job, result="published")
    assert {one["new_delivery_id"] for one in published} == {headers.delivery_id for headers, _ in stage.published(job)}


def test_a_time_range_of_one_webhook_ends_before_until(stage: ReplayStage, webhook: Json) -> None:
    origins = stage.stored(webhook, 10)
    since, until = (rfc3339(one.headers.received_at_us // 1_000 * 1_000) for one in (origins[2], origins[8]))
    job = stage.ask(selection={"since": since, "until": until, "webhook_id": webhook["id"]})
    with runner(stage) as one:
        assert one.until(job, "done")["counts"]["published"] == 6
    stage.check_each_once_in_order(job, origins[2:8])


def test_what_is_not_in_the_log_yet_is_waited_for(stage: ReplayStage, webhook: Json) -> None:
    """Also where the log has an outcome and not its request, so that nobody could tell where the record stands."""
    origins = stage.stored(webhook, 2)
    late = stage.send(webhook, 3)
    job = stage.ask(selection={"filter": {"webhook_id": [webhook["id"]]}}, is_logged=False)
    with runner(stage) as one:
        for _ in range(3):
            one.step()
        shown = stage.shown(job)
        assert (shown["state"], shown["counts"]["selected"]) == ("planning", 0)
        assert "analytics has not yet" in shown["state_reason"]
        stage.ledger.store()
        counts = one.until(job, "done")["counts"]
    assert counts["published"] == counts["selected"] == 5
    stage.check_each_once_in_order(job, [*origins, *late])


def test_offsets_are_read_from_the_topic_and_only_ones_own_are_replayed(stage: ReplayStage, webhook: Json) -> None:
    origins = stage.send(webhook, 12)
    in_one = [one for one in origins if one.partition == origins[0].partition]
    wanted = f"{RECEIVED}:{in_one[0].partition}:{in_one[0].offset}-{in_one[-1].offset}"
    job = stage.ask(selection={"offsets": [wanted]})
    foreign = stage.base.call(
        "POST",
        "/replays",
        json={"selection": {"offsets": [wanted]}, "mode": "redrive", "reason": "not mine"},
        headers=stage.base.other_tenant.headers,
    ).json()
    with runner(stage) as one:
        shown = one.until(job, "done")
        assert shown["ranges"] == [{"offsets": wanted, "is_read": True, "deleted_first": None, "deleted_last": None}]
        headers = stage.base.other_tenant.headers
        theirs = eventually(
            lambda: _ended(stage, foreign, headers, one.step), timeout_seconds=30, what="the other tenant's job to end"
        )
    assert theirs is not None
    assert theirs["counts"]["selected"] == 0
    stage.check_each_once_in_order(job, in_one)


def _ended(stage: ReplayStage, job: Json, headers: dict[str, str], step: Callable[[], None]) -> Json | None:
    step()
    shown: Json = stage.base.call("GET", f"/replays/{job['id']}", headers=headers).json()
    return shown if shown["state"] == "done" else None


def test_of_a_range_whose_head_is_deleted_the_log_gives_what_it_has_and_the_rest_is_done(
    stage: ReplayStage, webhook: Json
) -> None:
    masked = create_webhook(stage.base, f"masked-{uuid4().hex[:8]}")
    whole = stage.send(webhook, 8, keys=1, body=b'{"n":1}')
    lost = stage.send(masked, 8, keys=1, body=b'{"n":1}', redact_paths=["$.n"])
    kept = stage.send(webhook, 8, keys=1, body=b'{"n":2}')
    stage.ledger.store()
    partition = whole[0].partition
    admin = admin_client(stage.base.settings.kafka, "test")
    tail = [one for one in (*kept,) if one.partition == partition]
    for future in admin.delete_records(
        [TopicPartition(RECEIVED, number, _first_kept(number, kept, lost)) for number in {partition, lost[0].partition}]
    ).values():
        future.result(20)
    ranges = [
        f"{RECEIVED}:{partition}:{whole[0].offset}-{tail[-1].offset}",
        *(
            [f"{RECEIVED}:{lost[0].partition}:{lost[0].offset}-{lost[-1].offset}"]
            if lost[0].partition != partition
            else []
        ),
    ]
    job = stage.ask(selection={"offsets": ranges})
    with runner(stage) as one:
        shown = one.until(job, "done")
    assert (shown["counts"]["published"], shown["counts"]["lost"]) == (16, 8)
    stage.check_each_once_in_order(job, [*whole, *kept])
    assert shown["ranges"][0]["deleted_first"] == whole[0].offset
    reasons = {one["reason"] for one in stage.records(job, result="lost")}
    assert len(reasons) == 1
    assert "masked" in reasons.pop()


def _first_kept(partition: int, kept: list[Origin], lost: list[Origin]) -> int:
    """Everything before the first that stays, or everything."""
    own = [one.offset for one in kept if one.partition == partition]
    return min(own) if own else max(one.offset for one in lost if one.partition == partition) + 1


def test_fill_publishes_exactly_what_has_had_no_success(stage: ReplayStage, webhook: Json) -> None:
    origins = stage.send(webhook, 6)
    dispatched, filtered, failed, duplicate, lone_duplicate, pending = origins
    stage.end([dispatched.headers], "dispatched")
    stage.end([filtered.headers], "filtered")
    stage.end([failed.headers], "failed")
    stage.end([duplicate.headers], "duplicate", duplicate_of=dispatched.id)
    stage.end([lone_duplicate.headers], "duplicate", duplicate_of=failed.id)
    stage.ledger.store()
    selection = {"filter": {"webhook_id": [webhook["id"]], "is_replay": False}}
    job = stage.ask(selection=selection, mode="fill")
    with runner(stage) as one:
        counts = one.until(job, "done")["counts"]
        assert (counts["published"], counts["present"]) == (3, 3)
        published = [headers for headers, _ in stage.published(job)]
        replayed = {headers.replay.replay_of for headers in published if headers.replay is not None}
        assert replayed == {failed.id, lone_duplicate.id, pending.id}
        assert {headers.replay.mode for headers in published if headers.replay is not None} == {"fill"}
        stage.end(published)
        stage.ledger.store()
        again = stage.ask(selection=selection, mode="fill")
        assert one.until(again, "done")["counts"]["present"] == 6
    assert stage.published(again) == []


def test_a_replay_and_its_origin_are_replayed_as_one(stage: ReplayStage, webhook: Json) -> None:
    [origin] = stage.stored(webhook, 1)
    first = stage.ask(selection={"delivery_ids": [origin.id]})
    with runner(stage) as one:
        one.until(first, "done")
        stage.ledger.store()
        second = stage.ask(selection={"filter": {"webhook_id": [webhook["id"]]}})
        counts = one.until(second, "done")["counts"]
    assert (counts["selected"], counts["published"], counts["present"]) == (2, 1, 1)
    [(headers, _)] = stage.published(second)
    assert headers.replay is not None
    assert (headers.replay.replay_of, headers.replay.depth) == (origin.id, 1)


def test_what_a_rule_refuses_is_counted_with_its_reason(stage: ReplayStage, webhook: Json) -> None:
    limited = create_webhook(stage.base, f"limited-{uuid4().hex[:8]}", replay_count_max=1)
    off = create_webhook(stage.base, f"off-{uuid4().hex[:8]}", is_active=False)
    [once] = stage.send(limited, 1)
    [inactive] = stage.send(off, 1)
    [broken] = stage.send(webhook, 1, body=b"{", invalid_json=True)
    stage.ledger.store()
    ids = [once.id, inactive.id, broken.id]
    with runner(stage) as one:
        one.until(stage.ask(selection={"delivery_ids": ids}), "done")
        job = stage.ask(selection={"delivery_ids": ids})
        assert one.until(job, "done")["counts"]["refused"] == 3
    codes = {record["delivery_id"]: record["code"] for record in stage.records(job, result="refused")}
    assert codes == {once.id: "replayed_too_often", inactive.id: "webhook_inactive", broken.id: "invalid_json"}
    assert stage.published(job) == []


@pytest.mark.parametrize("point", KILLS)
def test_a_runner_that_is_killed_between_two_steps_leaves_none_to_skip_or_to_double(
    stage: ReplayStage, webhook: Json, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = stage.stored(webhook, 30, keys=4)
    monkeypatch.setattr(batches, "_SETTLED_SECONDS", 0.0)
    monkeypatch.setattr(batches, "BATCH_RECORDS_MAX", 8)
    job = stage.ask(selection={"delivery_ids": [one.id for one in origins]})
    with monkeypatch.context() as patch, runner(stage) as one:
        KILLS[point](patch)
        with pytest.raises(Killed):
            one.until(job, "done")
    stage.stored(webhook, 2)
    with runner(stage) as one:
        shown = one.until(job, "done")
    assert (shown["counts"]["published"], shown["counts"]["remaining"]) == (30, 0)
    stage.check_each_once_in_order(job, origins)


def test_a_batch_in_hand_is_left_alone_until_nobody_can_still_be_publishing_it(
    stage: ReplayStage, webhook: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = stage.stored(webhook, 4)
    job = stage.ask(selection={"delivery_ids": [one.id for one in origins]})
    with monkeypatch.context() as patch, runner(stage) as one, suppress(Killed):
        KILLS["written down, not published"](patch)
        one.until(job, "done")
    with runner(stage) as one:
        for _ in range(3):
            one.step()
        assert stage.published(job) == []
        monkeypatch.setattr(batches, "_SETTLED_SECONDS", 0.0)
        one.until(job, "done")
    stage.check_each_once_in_order(job, origins)


def test_a_job_is_paused_resumed_and_stopped_and_the_audit_says_by_whom_and_why(
    stage: ReplayStage, webhook: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = stage.stored(webhook, 30, keys=1)
    monkeypatch.setattr(batches, "BATCH_RECORDS_MAX", 5)
    monkeypatch.setattr("management.replay_jobs.work._TURNS_SECONDS", 0.0)
    job = stage.ask(selection={"delivery_ids": [one.id for one in origins]}, reason="lost tickets")
    with runner(stage) as one:
        eventually(lambda: _some(one.step, stage, job), timeout_seconds=30, what="a part to be published")
        paused = stage.change(job, "pause", reason="let me look")
        assert (paused["state"], paused["state_cause"], paused["state_reason"]) == ("paused", "person", "let me look")
        assert paused["state_by"]["name"] == "test"
        count = len(stage.published(job))
        for _ in range(5):
            one.step()
        assert 0 < count == len(stage.published(job)) < 30
        assert stage.base.call("POST", f"/replays/{job['id']}/pause").status_code == 409
        assert stage.change(job, "resume")["state"] == "running"
        eventually(lambda: _some(one.step, stage, job, count), timeout_seconds=30, what="more to be published")
        stopped = stage.change(job, "stop", reason="enough")
        assert (stopped["state"], stopped["state_reason"]) == ("stopped", "enough")
        one.step()
        stage.check_each_once_in_order(job, origins[: len(stage.published(job))])
    assert stage.base.call("POST", f"/replays/{job['id']}/resume").status_code == 409
    found = stage.base.call("GET", "/audit", params={"resource_id": job["id"], "per_page": 100}).json()["data"]
    assert [one["action"].partition(".")[2] for one in reversed(found)] == ["asked", "paused", "resumed", "stopped"]
    assert [one["after"]["reason"] for one in reversed(found)] == ["lost tickets", "let me look", None, "enough"]


def _some(step: Callable[[], None], stage: ReplayStage, job: Json, more_than: int = 0) -> bool:
    step()
    return bool(stage.shown(job)["counts"]["published"] > more_than)


def test_more_than_the_ceiling_and_a_plan_wait_for_confirmation(
    stage: ReplayStage, webhook: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = stage.stored(webhook, 6)
    selection = {"delivery_ids": [one.id for one in origins]}
    monkeypatch.setattr("management.replay_jobs.core.states.UNCONFIRMED_RECORDS_MAX", 5)
    with runner(stage) as one:
        job = stage.ask(selection=selection)
        shown = one.until(job, "awaiting_confirmation")
        assert (shown["state_cause"], shown["counts"]["remaining"]) == ("ceiling", 6)
        assert stage.published(job) == []
        assert one.until(stage.ask(selection=selection, confirm_records=6), "done")["counts"]["published"] == 6
        plan = stage.ask(selection={"delivery_ids": [origins[0].id]}, plan_only=True)
        assert one.until(plan, "awaiting_confirmation")["state_cause"] == "plan_only"
        assert stage.change(job, "confirm", reason="counted them")["state"] == "running"
        assert one.until(job, "done")["counts"]["published"] == 6
    stage.check_each_once_in_order(job, origins)


def test_a_job_whose_deliveries_fail_pauses_until_a_person_resumes_it(
    stage: ReplayStage, webhook: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = stage.stored(webhook, 20)
    monkeypatch.setattr(batches, "BATCH_RECORDS_MAX", 5)
    monkeypatch.setattr(watching, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr("management.replay_jobs.work._TURNS_SECONDS", 0.0)
    job = stage.ask(selection={"delivery_ids": [one.id for one in origins]})
    with runner(stage, failures_outcomes_min=5) as one:
        eventually(lambda: _some(one.step, stage, job, 9), timeout_seconds=30, what="a part to be published")
        first = [headers for headers, _ in stage.published(job)]
        stage.end(first, "failed", error={"code": "INTERNAL", "message": "no", "path": None})
        stage.ledger.store()
        shown = one.until(job, "paused")
        assert (shown["state_cause"], shown["outcomes"]["failed"]) == ("failures", len(first))
        assert "deliveries failed: more than 20 %" in shown["state_reason"]
        stage.change(job, "resume", reason="mended")
        assert one.until(job, "done", "paused")["state"] == "done"
    stage.check_each_once_in_order(job, origins)


def test_a_job_pauses_while_live_traffic_is_behind_and_goes_on_by_itself(
    stage: ReplayStage, webhook: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = stage.stored(webhook, 3)
    lag_seconds = 100.0
    monkeypatch.setattr(watching, "_LOOK_SECONDS", 0.0)
    job = stage.ask(selection={"delivery_ids": [one.id for one in origins]}, plan_only=True)
    with runner(stage, lag_seconds_max=30.0) as one:
        one.until(job, "awaiting_confirmation")
        monkeypatch.setattr(one.work._watcher, "_lag_seconds", lambda: lag_seconds)
        stage.change(job, "confirm")
        shown = one.until(job, "paused")
        assert (shown["state_cause"], shown["state_reason"]) == ("lag", "live traffic is 100 s behind: more than 30 s")
        lag_seconds = 20.0
        one.step()
        assert stage.shown(job)["state"] == "paused"
        lag_seconds = 10.0
        one.until(job, "done")
    stage.check_each_once_in_order(job, origins)
