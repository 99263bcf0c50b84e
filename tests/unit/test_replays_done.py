"""When the mode `fill` leaves a delivery out."""

from __future__ import annotations

from typing import Any

from management.replaying.done import Done, done


def row(delivery_id: str, status: str, *, replayed_from: str = "", duplicate_of: str = "") -> dict[str, Any]:
    return {
        "delivery_id": delivery_id,
        "replayed_from": replayed_from,
        "dispatch_status": status,
        "duplicate_of": duplicate_of,
    }


def test_an_origin_is_done_by_its_own_success_or_by_a_replays_and_nothing_else() -> None:
    rows = [
        row("a", "dispatched"),
        row("b", "failed"),
        row("b2", "dispatched", replayed_from="b"),
        row("c", "filtered"),
        row("f", "pending"),
        row("g", "failed"),
        row("g2", "pending", replayed_from="g"),
    ]
    assert done(rows, []) == {
        "a": Done("a", "dispatched"),
        "b": Done("b2", "dispatched"),
        "c": Done("c", "filtered"),
    }


def test_a_duplicate_is_done_by_the_success_of_its_first_or_of_a_replay_of_that() -> None:
    rows = [
        row("d", "duplicate", duplicate_of="x"),
        row("e", "duplicate", duplicate_of="y"),
        row("f", "failed"),
        row("f2", "duplicate", replayed_from="f", duplicate_of="z2"),
    ]
    firsts = [
        row("x", "failed"),
        row("x2", "dispatched", replayed_from="x"),
        row("y", "failed"),
        row("z2", "dispatched", replayed_from="z"),
    ]
    found = done(rows, firsts)
    assert found == {"d": Done("x2", "dispatched", "x"), "f": Done("z2", "dispatched", "z2")}
    assert found["d"].words == "it was a duplicate of x, and delivery x2 was dispatched"
