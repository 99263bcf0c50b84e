"""What to do is said in words, for what is wrong and for nothing else, with a runbook that is there."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from infra import advice
from infra.advice import GroupCondition, duration_text, group_advice, part_advice
from tests.support.headings import anchors_of

ROOT = Path(__file__).parents[2]
WELL = GroupCondition(
    role="processors",
    members=2,
    unread=(),
    lost_records=0,
    data_loss_topic=None,
    data_loss_seconds=None,
    standstill_seconds=None,
)


def test_nothing_is_to_be_done_where_all_is_well() -> None:
    assert part_advice([]) == ()
    assert group_advice(WELL) == ()
    busy = replace(WELL, data_loss_topic="t", data_loss_seconds=6 * 86_400, standstill_seconds=5)
    assert group_advice(busy) == ()


def test_a_group_that_runs_nowhere_is_to_be_started() -> None:
    [words] = group_advice(replace(WELL, members=0, standstill_seconds=900))
    assert "`hookline run processors`" in words
    assert "#nobody-reads-a-topic" in words


def test_a_loss_in_sight_comes_first_and_says_when_and_of_what() -> None:
    said = group_advice(replace(WELL, members=0, data_loss_topic="webhooks.x.y.v1", data_loss_seconds=11_400))
    assert "it loses data in 3 h 10 m: keep webhooks.x.y.v1 longer" in said[0]
    assert len(said) == 2


def test_what_is_lost_an_unread_topic_and_a_standstill_are_told() -> None:
    assert "1,200 records" in group_advice(replace(WELL, lost_records=1_200))[0]
    assert "reads webhooks.x.y.v1" in group_advice(replace(WELL, unread=("webhooks.x.y.v1",)))[0]
    assert "nothing for 10 m 0 s" in group_advice(replace(WELL, standstill_seconds=600))[0]


@pytest.mark.parametrize(
    ("reason", "page"),
    [
        ("ClickHouse: connection refused", "#clickhouse-is-away"),
        ("Postgres is not there: timeout", "postgres-away.md"),
        ("outcomes: Kafka: lag is not known", "broker-away.md"),
        ("no answer (ConnectError)", "#a-part-is-not-ready"),
        ("tables are being restored", "rebuild-a-table.md"),
        ("something nobody thought of", "#a-part-is-not-ready"),
    ],
)
def test_a_reason_leads_to_its_runbook(reason: str, page: str) -> None:
    [words] = part_advice([reason])
    assert page in words


def test_equal_advice_is_given_once() -> None:
    assert len(part_advice(["ClickHouse: a", "outcomes: ClickHouse: b"])) == 1


def test_every_runbook_that_is_named_is_there() -> None:
    source = Path(advice.__file__).read_text("utf-8").replace("{ALERTS}", advice.ALERTS)
    named = re.findall(r"(docs/runbooks/[\w-]+\.md)(?:#([\w-]+))?", source)
    assert len(named) > 8
    for page, anchor in named:
        assert (ROOT / page).is_file(), page
        assert not anchor or anchor in anchors_of(ROOT / page), f"{page}#{anchor}"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.9, "59 s"), (600, "10 m 0 s"), (11_400, "3 h 10 m"), (187_200, "2 d 4 h")],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
