"""The sheet that an entry joins: one for a user and a period, open until it is handed in."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import uuid4

import psycopg
import pytest

from sinks.actions.execution import Outcome
from sinks.actions.time_entries import CREATE_TIME_ENTRY
from sinks.actions.time_entries.sheets import QUERIES
from tests.support.actions import ActionBase, refusal_of, take_events
from tests.support.interruptions import interrupted
from tests.support.statements import statements_of
from tests.support.time_entries import UPDATE, add_period, add_sheet, book, entry_of, prepare, request


@pytest.fixture
def base(database_dsn: str) -> ActionBase:
    return prepare(database_dsn)


def book_interrupted(base: ActionBase, meanwhile: Callable[[], object]) -> Outcome:
    """Book time while others do something, between the look at the sheets and the write."""
    registry = interrupted(CREATE_TIME_ENTRY, QUERIES["share_sheets"], meanwhile)
    (outcome,) = base.run(request(base, {"external_id": "E-1"}), registry=registry)
    return outcome


@pytest.mark.parametrize("status", ["submitted", "approved"])
def test_a_sheet_that_was_handed_in_takes_no_entry_and_lets_none_go(base: ActionBase, status: str) -> None:
    march, april = add_period(base), add_period(base, "2026-04-01", "2026-04-30")
    first = entry_of(base, book(base, {"external_id": "E-1"}))
    closed = first["time_sheet_id"]
    base.write("UPDATE time_sheets SET status = %s WHERE period_id = %s", [status, march])
    other = entry_of(base, book(base, {"external_id": "E-2", "start_time": "2026-04-02T10:00:00Z"}))
    assert other["time_sheet_id"] not in (None, closed)
    take_events(base)
    refused = {
        "start_time": [
            book(base),
            book(base, {"external_id": "E-2", "start_time": "2026-03-09T10:00:00Z"}, **UPDATE),
        ],
        "external_id": [
            book(base, {"external_id": "E-1", "notes": "More"}, **UPDATE),
            book(base, {"external_id": "E-1", "start_time": "2026-04-02T10:00:00Z"}, **UPDATE),
        ],
    }
    for path, outcomes in refused.items():
        for outcome in outcomes:
            assert refusal_of(outcome) == ("CONFLICT", f"field_mapping.{path}")
            assert f"time sheet {closed} is {status}" in outcome.body["message"]
    unchanged = book(base, {"external_id": "E-1"}, **UPDATE)
    assert (unchanged.status, unchanged.body["changed"]) == ("dispatched", False)
    assert take_events(base) == []
    assert {row["id"]: row for row in base.rows("SELECT * FROM time_entries")} == {
        entry["id"]: entry for entry in (first, other)
    }
    assert {row["period_id"] for row in base.rows("SELECT period_id FROM time_sheets")} == {march, april}


def test_an_entry_joins_the_draft_of_its_period_and_makes_it_where_there_is_none(base: ActionBase) -> None:
    march, april = add_period(base), add_period(base, "2026-04-01", "2026-04-30")
    draft = add_sheet(base, march)
    joined, made, again, of_another = base.run(
        request(base, {}),
        request(base, {"start_time": "2026-03-31T22:00:00Z"}),  # April in Berlin
        request(base, {"start_time": "2026-04-30T21:59:00Z"}),
        request(base, {"user_id": "admin"}),
    )
    assert entry_of(base, joined)["time_sheet_id"] == draft
    sheets = {row["id"]: row for row in base.rows("SELECT * FROM time_sheets")}
    sheet = sheets[entry_of(base, made)["time_sheet_id"]]
    assert (sheet["user_id"], sheet["period_id"], sheet["status"]) == (base.tenant.ids["technician"], april, "draft")
    assert entry_of(base, again)["time_sheet_id"] == sheet["id"]
    other = sheets[entry_of(base, of_another)["time_sheet_id"]]
    assert (other["user_id"], other["period_id"]) == (base.tenant.ids["admin"], march)
    assert len(sheets) == 3


def test_another_zone_of_the_user_moves_no_entry_that_is_booked(base: ActionBase) -> None:
    add_period(base)
    fields = {"external_id": "E-1", "start_time": "2026-03-02T23:30:00Z"}
    assert entry_of(base, book(base, fields))["work_date"] == date(2026, 3, 3)
    base.write("UPDATE users SET time_zone = 'UTC'")
    assert not book(base, fields, **UPDATE).body["changed"]
    moved = entry_of(base, book(base, fields | {"start_time": "2026-03-02T23:31:00Z"}, **UPDATE))
    assert moved["work_date"] == date(2026, 3, 2)


def test_sinks_that_book_time_of_one_user_at_once_make_one_sheet(base: ActionBase) -> None:
    add_period(base)
    batches = [[request(base, {"external_id": f"{batch}-{number}"}) for number in range(5)] for batch in range(6)]
    with ThreadPoolExecutor(6) as threads:
        outcomes = [outcome for done in threads.map(lambda batch: base.run(*batch), batches) for outcome in done]
    assert {outcome.status for outcome in outcomes} == {"dispatched"}, outcomes
    (sheet,) = base.rows("SELECT id FROM time_sheets")
    counted = base.rows("SELECT time_sheet_id, count(*) AS entries FROM time_entries GROUP BY time_sheet_id")
    assert counted == [{"time_sheet_id": sheet["id"], "entries": 30}]


def test_entries_that_come_at_once_under_one_id_are_one_entry_and_the_others_conflict(base: ActionBase) -> None:
    add_period(base)
    requests = [request(base, {"external_id": "E-1"}) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        outcomes = [outcome for batch in threads.map(base.run, requests) for outcome in batch]
    refused = [refusal_of(outcome) for outcome in outcomes if outcome.status == "failed"]
    assert refused == [("CONFLICT", "field_mapping.external_id")] * 7
    assert base.count("time_entries") == base.count("time_sheets") == len(take_events(base)) == 1


def test_a_sheet_that_is_made_between_look_and_write_is_joined_in_the_next_try(base: ActionBase) -> None:
    add_period(base)
    outcome = book_interrupted(base, lambda: book(base))
    assert outcome.attempts == 2
    (sheet,) = base.rows("SELECT id FROM time_sheets")
    assert [row["time_sheet_id"] for row in base.rows("SELECT time_sheet_id FROM time_entries")] == [sheet["id"]] * 2


def test_a_sheet_is_not_handed_in_while_an_entry_joins_it_but_others_join_it_too(base: ActionBase) -> None:
    sheet = add_sheet(base, add_period(base))

    def meanwhile() -> None:
        assert entry_of(base, book(base))["time_sheet_id"] == sheet
        with pytest.raises(psycopg.errors.LockNotAvailable):
            base.rows("SELECT id FROM time_sheets WHERE id = %s FOR NO KEY UPDATE NOWAIT", [sheet])

    assert entry_of(base, book_interrupted(base, meanwhile))["time_sheet_id"] == sheet
    assert base.count("time_entries") == 2


def test_a_refused_entry_makes_no_sheet_and_stops_no_neighbour(base: ActionBase) -> None:
    add_period(base)
    refused, made = base.run(
        request(base, {"service_id": "None", "external_id": "E-1"}),
        request(base, {"user_id": "admin", "external_id": "E-2"}),
    )
    assert refusal_of(refused) == ("VALIDATION_ERROR", "field_mapping.service_id")
    (sheet,) = base.rows("SELECT user_id FROM time_sheets")
    assert sheet["user_id"] == entry_of(base, made)["user_id"] == base.tenant.ids["admin"]
    nowhere = book(base, {"external_id": "E-3"}, options={"external_ids_of": str(uuid4())})
    assert refusal_of(nowhere) == ("LOOKUP_MISS", "field_mapping.external_id")
    assert base.count("time_sheets") == base.count("time_entries") == base.count("external_entity_mappings") == 1


def test_a_set_of_any_size_takes_the_same_few_statements(base: ActionBase) -> None:
    add_period(base)
    sets = [
        [request(base, {"external_id": f"E-{number}", "user_id": user} | fields, **members) for number in numbers]
        for user, fields, members in (
            ("technician", {}, {}),
            ("admin", {"start_time": "2026-03-09T10:00:00Z"}, UPDATE),
        )
        for numbers in (range(2), range(2, 9))
    ]
    counts = [len(statements_of(base, CREATE_TIME_ENTRY, requests)) for requests in sets]
    assert counts[0] - counts[1] == counts[2] - counts[3] == 1  # the first of each pair makes the sheet
    assert max(counts) <= 12
