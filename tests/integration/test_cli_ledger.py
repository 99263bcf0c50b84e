"""`hookline ledger` against a running management: entries listed, the chain verified, and an exit code that tells."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg.types.json import Jsonb

from hookline.errors import ExitCode
from infra.clock import HOUR_US, now_us
from infra.ledger.core.chain import Entry, chained
from infra.ledger.core.counts import HourCounts
from management.ledger.repository import moment
from tests.support.commands import Command, command
from tests.support.management import ManagementBase, management_base

__all__ = ["command", "management_base"]

#: Of which the topics keep nothing any more.
LONG_AGO_US = now_us() // HOUR_US * HOUR_US - 20 * 24 * HOUR_US


@pytest.fixture
def entries(management_base: ManagementBase) -> Iterator[list[Entry]]:
    """Two hours of long ago."""
    tenant_id, made = str(management_base.tenant.id), list[Entry]()
    for number in range(2):
        counts = HourCounts(accepted=5, raw=5, dispatched=5).as_json()
        hour_us = LONG_AGO_US + number * HOUR_US
        made.append(chained(made[-1] if made else None, tenant_id, hour_us, 0, entered_at_us=hour_us, counts=counts))
        entry = made[-1]
        management_base.write(
            "INSERT INTO ledger_entries VALUES (%s, %s, %s, 0, %s, %s, %s, %s)",
            (tenant_id, entry.number, moment(hour_us), moment(hour_us), Jsonb(counts), entry.previous_hash, entry.hash),
        )
    yield made
    management_base.write("DELETE FROM ledger_entries")


def test_entries_are_listed_and_a_whole_chain_is_balanced(command: Command, entries: list[Entry]) -> None:
    listed = command("ledger", "list", "--json").json
    assert [(one["number"], one["counts"]["accepted"], one["hash"]) for one in listed] == [
        (2, 5, entries[1].hash),
        (1, 5, entries[0].hash),
    ]
    since = listed[-1]["hour"]
    until = moment(LONG_AGO_US + 2 * HOUR_US).isoformat()
    verified = command("ledger", "verify", "--since", since, "--until", until, "--json")
    assert verified.code == ExitCode.OK, verified.error
    assert (verified.json["verdict"], verified.json["chain"]["head_hash"]) == ("balanced", entries[1].hash)
    shown = command("ledger", "verify")
    assert shown.code == ExitCode.OK
    assert f"head 2:{entries[1].hash}" in shown.output


def test_a_head_that_was_noted_before_must_still_be_there(command: Command, entries: list[Entry]) -> None:
    assert command("ledger", "verify", "--head", f"1:{entries[0].hash}").code == ExitCode.OK
    other = command("ledger", "verify", "--head", f"1:{entries[1].hash}")
    assert (other.code, "entry 1 is not the one" in other.error) == (ExitCode.WORK_FAILED, True)
    gone = command("ledger", "verify", "--head", f"3:{entries[1].hash}")
    assert (gone.code, "entry 3, which was noted" in gone.error) == (ExitCode.WORK_FAILED, True)
    assert command("ledger", "verify", "--head", "three").code == ExitCode.USAGE


def test_a_changed_entry_ends_the_command_with_1_and_is_named(
    management_base: ManagementBase, command: Command, entries: list[Entry]
) -> None:
    management_base.write("UPDATE ledger_entries SET counts = counts || '{\"raw\": 4}' WHERE number = 1")
    found = command("ledger", "verify")
    assert (found.code, "entry 1 was changed" in found.output) == (ExitCode.WORK_FAILED, True)


def test_hours_that_cannot_be_verified_are_refused_by_name(command: Command) -> None:
    found = command("ledger", "verify", "--since", "2020-01-01T00:00:00Z")
    assert found.code == ExitCode.WORK_FAILED
    assert "since" in found.error
