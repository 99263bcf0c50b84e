"""The product's own ledger at the end of a run with kills: `hookline ledger verify`, as an operator calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.running_stack import RunningStack
from tests.support.senders import Senders
from tests.support.wait import eventually

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "ledger-example.json"
#: The ledger is examined while processes die, and an hour is entered soon after its end.
OFTEN_EXAMINED = {"HOOKLINE_LEDGER__INTERVAL_SECONDS": "2", "HOOKLINE_LEDGER__GRACE_SECONDS": "10"}
Json = dict[str, Any]


def verify_ledger(stack: RunningStack, senders: Senders) -> Json:
    """The verification, once two in a row count the same. AssertionError when anything differs, now or found before."""
    seen: list[list[Json]] = []

    def steady() -> Json | None:
        found = _verification(stack)
        seen.append([hour["counts"] for hour in found["hours"]])
        return found if len(seen) > 1 and seen[-1] == seen[-2] else None

    found = eventually(steady, timeout_seconds=120, what="the ledger to be at rest")
    assert found is not None
    counts = sum_of(found)
    assert found["verdict"] == "balanced", found
    assert found["outcomes_judged"], found
    assert counts["requests"] >= senders.answered, "every 200 is a record"
    assert counts["accepted"] + counts["late"] + counts["invalid_json"] + counts["unattested"] == counts["requests"]
    assert counts["pending"] == 0, counts
    with stack.management() as client:
        kept = client.get("/ledger/differences").json()
    assert kept["data"] == [], "nothing was ever missing, so nothing may have been called missing"
    return found


def sum_of(found: Json) -> Counter[str]:
    """The counts of all hours together."""
    total: Counter[str] = Counter()
    for hour in found["hours"]:
        total.update({name: value for name, value in hour["counts"].items() if isinstance(value, int)})
    return total


def write_ledger_example(stack: RunningStack, senders: Senders, *, seed: int, killed: Sequence[str]) -> None:
    """docs/ledger-example.json, from this run. Hours that are over are entered first."""

    def entered() -> Json | None:
        found = _verification(stack)
        this_hour = f"{datetime.now(UTC):%Y-%m-%dT%H}"
        over = [hour for hour in found["hours"] if not hour["hour"].startswith(this_hour)]
        return found if all(hour["state"] == "entered" for hour in over) else None

    found = eventually(entered, timeout_seconds=300, what="the hours that are over to be entered")
    assert found is not None
    example = {
        "run": {
            "test": "tests/e2e/test_crashes.py",
            "seed": seed,
            "kill_9_of": list(killed),
            "answers_that_senders_got": {str(status): count for status, count in sorted(senders.statuses.items())},
        },
        "in_all": dict(sum_of(found)),
        "verification": {name: value for name, value in found.items() if name != "head_problem"},
    }
    EXAMPLE.write_text(json.dumps(example, indent=2) + "\n", "utf-8")


def _verification(stack: RunningStack) -> Json:
    command = [sys.executable, "-m", "hookline", "ledger", "verify", "--json", "--data-dir", str(stack.data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=ROOT)
    assert done.stdout, done.stderr
    verification: Json = json.loads(done.stdout)
    assert done.returncode == (0 if verification["verdict"] == "balanced" else 1)
    return verification
