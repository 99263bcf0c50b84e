"""The page of benchmarks and the table: what they say is what was measured."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.action_loads import LOADS
from bench.machine import Machine
from bench.mixed import SHARES, stream
from bench.report import (
    PAGE,
    BenchResult,
    Figure,
    action_rows,
    describe,
    figures_of,
    markdown,
    memory_rows,
    newest_result,
    section_of,
)
from tests.support.actions import builtin_registry

_TIMES = {"p50_milliseconds": 1.5, "p99_milliseconds": 9.0}
MEASUREMENTS: dict[str, dict[str, Any]] = {
    "limits": {"local": 0.3, "leased": 0.6},
    "verification": {
        "microseconds": {"hmac_sha256": 2.5, "hmac_sha256, 64 KiB": 40.0},
        "floor": 0.5,
        "floor, 64 KiB": 40.0,
    },
    "pipeline": {
        "requests_per_second": 500,
        "answer": _TIMES,
        "ticket": {"p50_milliseconds": 40.0, "p99_milliseconds": 500.0},
        "floor_answer": _TIMES,
        "floor_ticket": {"p50_milliseconds": 4.0, "p99_milliseconds": 10.0},
        "memory": {
            "kafka": {"processes": 1, "resident_mebibytes": 1200.4, "proportional_mebibytes": None},
            "ingress": {"processes": 2, "resident_mebibytes": 90.04, "proportional_mebibytes": 60.0},
        },
    },
    "ingress": {
        "1 worker(s), 64 connections": {
            "answer only": {"per_second": 60_000.0, **_TIMES},
            "produce only": {"per_second": 32_000.0, **_TIMES},
            "receiver": {"per_second": 16_000.0, **_TIMES},
        },
        "2 worker(s), 64 connections": {"receiver": {"per_second": 8_000.0, **_TIMES}},
    },
    "actions": {"tickets_per_second": 1_999, "floor_rows_per_second": 8_000},
    "action_types": {
        "loads": [
            {
                "action": "createTicket",
                "effect": "created",
                "per_second": 4_000,
                "floor_rows_per_second": 16_000,
                "batch": {"p50_milliseconds": 120.4, "p99_milliseconds": 130.0},
                "statements_per_command": 0.022,
            }
        ]
    },
    "mappings": {
        "many": 1_000_000,
        "one": {"few": _TIMES, "many": {"p50_milliseconds": 3.0, "p99_milliseconds": 17.9}},
        "hundred": {"few": _TIMES, "many": {"p50_milliseconds": 3.0, "p99_milliseconds": 18.0}},
        "update": {"few": _TIMES, "many": _TIMES},
    },
    "log": {
        "rows": 2_000_000,
        "fill": {"requests_per_second": 30_000},
        "reads": {
            "floor": _TIMES,
            "floor_keys": _TIMES,
            "detail": {"p50_milliseconds": 12.0, "p99_milliseconds": 200.0},
        },
        "search": {
            "bodies": 1_036_000,
            "floor": _TIMES,
            "JSON path": {"p50_milliseconds": 600.0, "p99_milliseconds": 999.0},
        },
        "export": {"rows": 100_000, "rows_per_second": 9_000, "growth_mebibytes": -3.0},
    },
    "mixed": {"requests_per_second": 5_000, "actions_per_second": 1_500},
    "replays": {
        "records": 6_000,
        "live_per_second": 1_600,
        "replayed_per_second": 800,
        "published_per_second": 2_500,
        "dry_run_per_second": 1_000,
        "requests_per_second": 300,
        "replays_per_second": 200,
        "alone": {"ticket": _TIMES, "answer": _TIMES},
        "beside_job": {"ticket": {"p50_milliseconds": 3.0, "p99_milliseconds": 18.0}, "answer": _TIMES},
    },
    "management": {
        "listed": 10_000,
        "list": {"p50_milliseconds": 20.0, "p99_milliseconds": 99.0},
        "floor_list": _TIMES,
        "saves_per_second": 80.5,
        "seen": {"p50_milliseconds": 50.0, "p99_milliseconds": 1_001.0},
        "loaded": {"webhooks": 100_041, "seconds": 7.25, "megabytes_peak": 500},
    },
}
MACHINE = Machine(
    cpu_model="a model",
    cpus=2,
    memory_mebibytes=24_000,
    system="Linux 6.1",
    commit="abc1234",
    versions={"kafka": "4.3.1"},
    load_average=0.4,
    busy_percent=3.0,
)


def result(**changes: Any) -> BenchResult:
    fields: dict[str, Any] = {
        "started_at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "seconds": 300.0,
        "quick": False,
        "machine": MACHINE,
        "measurements": MEASUREMENTS,
        "failures": {},
    }
    return BenchResult(**(fields | changes))


def test_the_page_shows_the_newest_committed_result() -> None:
    newest = newest_result()
    assert section_of(PAGE.read_text("utf-8")) == markdown(newest), "run: python -m bench.report --write"
    assert newest is None or not newest[1].quick, "a quick result is not to be committed"


def test_figures_come_in_the_order_of_the_pipeline_and_only_of_what_was_measured() -> None:
    names = [figure.name for figure in figures_of(MEASUREMENTS)]
    assert names[:2] == ["proof, hmac_sha256", "proof, hmac_sha256, 64 KiB"]
    assert names[4] == "verified requests, 1 worker, 64 connections"
    assert names.index("tickets") > names.index("answer p99, 2 workers, 64 connections")
    assert names[-8:-3] == [
        "answer p99 at 500/s",
        "replayed, 6,000 requests",
        "records published by the job alone",
        "dry run, 6,000 requests",
        "request to ticket p50 at 300/s beside 200 replays/s",
    ]
    assert not any("delivery rows" in name for name in names)


def test_more_workers_stand_beside_the_floor_of_one() -> None:
    two = next(figure for figure in figures_of(MEASUREMENTS) if figure.name.endswith("2 workers, 64 connections"))
    assert (two.value, two.floor, two.ratio, two.is_met) == (8_000.0, 32_000.0, 0.25, None)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("verified requests, 1 worker, 64 connections", ["16,000/s", "32,000/s", "0.50", "≥ 16,000/s", "yes"]),
        ("proof, hmac_sha256", ["2.5 µs", "0.5 µs", "5.00", "", ""]),
        ("proof, hmac_sha256, 64 KiB", ["40 µs", "40 µs", "1.00", "", ""]),
        ("request counted against a rate, leased", ["0.6 µs", "0.3 µs", "2.00", "", ""]),
        ("tickets", ["1,999/s", "8,000/s", "0.25", "≥ 2,000/s", "no"]),
        ("1 id looked up among 1,000,000 p50", ["3 ms", "1.5 ms", "2.00", "", ""]),
        ("1 id looked up among 1,000,000 p99", ["17.9 ms", "9 ms", "1.99", "< 18 ms", "yes"]),
        ("100 ids looked up at once among 1,000,000 p99", ["18 ms", "9 ms", "2.00", "< 18 ms", "no"]),
        ("actions of a mixed stream", ["1,500/s", "", "", "", ""]),
        ("request to ticket p50 at 500/s", ["40 ms", "4 ms", "10.00", "", ""]),
        ("request to ticket p99 at 500/s", ["500 ms", "10 ms", "50.00", "< 500 ms", "no"]),
        ("answer p50 at 500/s", ["1.5 ms", "1.5 ms", "1.00", "", ""]),
        ("replayed, 6,000 requests", ["800/s", "1,600/s", "0.50", "", ""]),
        ("request to ticket p99 at 300/s beside 200 replays/s", ["18 ms", "9 ms", "2.00", "< 18 ms", "no"]),
        ("detail among 2,000,000 p99", ["200 ms", "9 ms", "22.22", "< 200 ms", "no"]),
        ("search by JSON path in 1,036,000 bodies p99", ["999 ms", "9 ms", "111.00", "< 1,000 ms", "yes"]),
        ("memory of ten times the export", ["-3 MiB more", "", "", "< 50 MiB more", "yes"]),
        ("list of 10,000 webhooks p99", ["99 ms", "9 ms", "11.00", "< 100 ms", "yes"]),
        ("change seen by a receiver p99", ["1,001 ms", "", "", "< 1,000 ms", "no"]),
        ("100,041 webhooks loaded", ["7.2 s", "", "", "< 10 s", "yes"]),
        ("100,041 webhooks in memory", ["500 MB", "", "", "< 500 MB", "no"]),
    ],
)
def test_a_rate_must_reach_its_aim_and_a_time_must_stay_below_it(name: str, cells: list[str]) -> None:
    assert next(figure for figure in figures_of(MEASUREMENTS) if figure.name == name).cells() == [name, *cells]


def test_a_figure_without_floor_or_aim_leaves_their_cells_empty() -> None:
    assert Figure("table recovery", 51_000.4, "/s").cells() == ["table recovery", "51,000/s", "", "", "", ""]


def test_memory_is_a_row_per_process_and_says_nothing_where_the_system_does_not() -> None:
    assert memory_rows(MEASUREMENTS) == [["kafka", "1", "1,200", ""], ["ingress", "2", "90.0", "60"]]
    assert memory_rows({}) == []


def test_every_action_is_measured_and_has_a_row_beside_its_floor() -> None:
    assert {load.action for load in LOADS} == set(builtin_registry())
    row = ["createTicket", "created", "4,000/s", "16,000/s", "0.25", "120 ms", "130 ms", "0.022"]
    assert action_rows(MEASUREMENTS) == [row]
    assert action_rows({}) == []
    shown = markdown((Path("one.json"), result()))
    assert f"| {' | '.join(row)} |" in shown
    assert shown.index("| action |") < shown.index("| process |")


def test_a_mixed_stream_has_the_shares_it_says_and_is_the_same_each_time() -> None:
    assert sum(SHARES.values()) == 100
    sent = stream(5_000)
    assert [each.action for each in sent] == [each.action for each in stream(5_000)]
    counted = Counter(each.action for each in sent)
    assert all(abs(counted[action] / 50 - share) < 3 for action, share in SHARES.items())
    assert not {each.event_id for each in sent} & {each.event_id for each in stream(500, first=5_000)}


def test_a_result_says_what_makes_its_figures_doubtful() -> None:
    busy = MACHINE.model_copy(update={"load_average": 1.2})
    lines = describe(result(machine=busy, quick=True, failures={"analytics": "not done after 80 s"}))
    assert [line.partition(":")[0] for line in lines[-3:]] == ["Warning", "Quick", "Not measured"]
    assert lines[-1] == "Not measured: analytics: not done after 80 s"
    assert len(describe(result())) == 3


def test_a_result_reads_back_as_it_was_written() -> None:
    assert BenchResult.model_validate_json(result().model_dump_json()) == result()
