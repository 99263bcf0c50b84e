"""`hookline ledger`: what was counted of every hour, and whether it still agrees with what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline import console
from hookline.cli_options import DEFAULT_DATA_DIR, AsJson, DataDir, epilog
from hookline.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

app = typer.Typer(
    no_args_is_help=True, help="Show and verify the ledger: that nothing was lost, and nothing done twice."
)
LEDGER = "/ledger"
Since = Annotated[str | None, typer.Option(metavar="TIME", help="From this hour on, such as 2026-01-31T12:00:00Z.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Up to, and without, this hour.")]
Head = Annotated[
    str | None, typer.Option(metavar="NUMBER:HASH", help="An entry that was noted before: it must still be there.")
]
_COUNTS = ("accepted", "invalid_json", "late", "unattested", "requests", "tests", "replays")
_STATES = ("dispatched", "duplicate", "filtered", "failed", "pending")
_HASH_SHOWN = 12


@app.command("list", epilog=epilog("hookline ledger list", "hookline ledger list --since 2026-01-31T00:00:00Z --json"))
def list_entries(
    since: Since = None, until: Until = None, data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False
) -> None:
    """Show the hours as they were entered, the newest entry first."""
    from hookline.management_client import open_client

    with open_client(data_dir) as client:
        found = list(client.pages(LEDGER, **_window(since, until)))
    if as_json:
        console.show_json(found)
        return
    rows = [
        [str(one["number"]), one["hour"], str(one["revision"]), *_counts(one["counts"]), one["hash"][:_HASH_SHOWN]]
        for one in found
    ]
    columns = ["#entry", "hour", "#revision", *(f"#{name}" for name in (*_COUNTS, *_STATES)), "hash"]
    console.output_console().print(console.plain_table(columns, rows) if rows else "no entry yet")


@app.command(
    epilog=epilog("hookline ledger verify", "hookline ledger verify --since 2026-01-31T00:00:00Z --json"),
)
def verify(
    since: Since = None,
    until: Until = None,
    head: Head = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Count everything anew, look for every offset, work out every hash; end with 1 when anything differs.

    Without times: the last 24 hours and this one. A difference is shown with
    topic, partition and offsets of what is missing or there twice. Keep the
    head of the chain elsewhere and give it with --head another time: then
    nobody can have cut the chain off and made it anew.
    """
    from hookline.management_client import open_client

    number, kept_hash = _noted(head)
    with open_client(data_dir) as client:
        found = client.call("GET", f"{LEDGER}/verification", parameters=_window(since, until))
        problem = None if head is None else _missing_head(client.pages(LEDGER), number, kept_hash)
    if as_json:
        console.show_json(found | {"head_problem": problem})
    else:
        _show(found)
        if problem is not None:
            console.show_error(problem)
    if found["verdict"] != "balanced" or problem is not None:
        raise typer.Exit(ExitCode.WORK_FAILED)


def _window(since: str | None, until: str | None) -> dict[str, str | int]:
    return {name: value for name, value in (("since", since), ("until", until)) if value is not None}


def _noted(head: str | None) -> tuple[int, str]:
    number, _, kept_hash = (head or "0:").partition(":")
    if not number.isdecimal() or (head is not None and not kept_hash):
        raise UsageError("--head is NUMBER:HASH, as `hookline ledger verify` shows it")
    return int(number), kept_hash


def _missing_head(entries: Iterable[dict[str, Any]], number: int, kept_hash: str) -> str | None:
    """What is wrong with an entry that was noted before; None when it is there as it was."""
    found = next((entry for entry in entries if entry["number"] <= number), None)
    if found is None or found["number"] != number:
        return f"entry {number}, which was noted before, is not there any more"
    return None if found["hash"] == kept_hash else f"entry {number} is not the one that was noted before"


def _counts(counts: dict[str, Any]) -> list[str]:
    return [str(counts[name]) for name in (*_COUNTS, *_STATES)]


def _show(found: dict[str, Any]) -> None:
    out = console.output_console()
    rows = [
        [hour["hour"], hour["state"], *_counts(hour["counts"]), "DIFFERS" if hour["differs"] else "ok"]
        for hour in found["hours"]
    ]
    columns = ["hour", "state", *(f"#{name}" for name in (*_COUNTS, *_STATES)), ""]
    out.print(console.plain_table(columns, rows) if rows else "nothing in these hours")
    for one in found["differences"]:
        out.print(
            f"{one['kind']}  {one['offsets'] or '-'}  {one['count']}  {one['hour']}  {one['detail']}", markup=False
        )
    chain = found["chain"]
    if chain["entries"]:
        out.print(f"chain: {chain['entries']} entries, head {chain['head_number']}:{chain['head_hash']}", markup=False)
    out.print(found["words"], markup=False)
    if not found["outcomes_judged"]:
        out.print("The stages are too busy to tell a lost outcome from a late one; try again.")
