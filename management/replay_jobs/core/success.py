"""What has had its success already: the mode `fill` leaves it out."""

from collections.abc import Collection, Mapping
from typing import Any

_SUCCESSES = frozenset({"dispatched", "filtered"})


def succeeded(rows: Collection[Mapping[str, Any]]) -> set[str]:
    """Origins with a success, their own or of a replay of theirs. Rows: delivery_id, replayed_from, dispatch_status."""
    return {str(row["replayed_from"] or row["delivery_id"]) for row in rows if row["dispatch_status"] in _SUCCESSES}


def firsts_of(rows: Collection[Mapping[str, Any]]) -> dict[str, str]:
    """Of origins that were duplicates: the delivery whose success would be theirs."""
    return {
        str(row["replayed_from"] or row["delivery_id"]): row["duplicate_of"]
        for row in rows
        if row["dispatch_status"] == "duplicate" and row["duplicate_of"]
    }


def present(rows: Collection[Mapping[str, Any]], rows_of_firsts: Collection[Mapping[str, Any]]) -> dict[str, str]:
    """Why nothing is missing, in words, by origin. `rows_of_firsts` are of `firsts_of(rows)`, as `rows` are."""
    found = dict.fromkeys(succeeded(rows), "it had its success already")
    successful = succeeded(rows_of_firsts)
    for origin_id, first_id in firsts_of(rows).items():
        if first_id in successful:
            found.setdefault(origin_id, f"it was a duplicate of {first_id}, which had its success")
    return found
