"""`hookline dead-letters`: what could not be processed, and another try for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline import console
from hookline.cli_options import DEFAULT_DATA_DIR, AsJson, DataDir, epilog

if TYPE_CHECKING:
    from hookline.management_client import ManagementClient
    from management.dead_letters.letters import Letter

app = typer.Typer(
    no_args_is_help=True, help="Show requests and actions that could not be processed, and give them another try."
)
LETTERS = "/dead-letters"
_LISTED_MAX = 1_000
_EXAMPLE = "TOPIC:2:17"
Id = Annotated[str, typer.Argument(metavar="ID", help="topic:partition:offset, as the list shows it.")]
Reason = Annotated[str, typer.Option(metavar="WORDS", help="Why; kept with the letter and in the audit.")]
Unowned = Annotated[
    bool, typer.Option("--unowned", help="Those that name no tenant: the operator's part, on this machine.")
]
Webhook = Annotated[str | None, typer.Option(metavar="ID", help="Of this webhook.")]
Topic = Annotated[str | None, typer.Option(metavar="TOPIC", help="Of this dead-letter topic.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Failed at or after, such as 2026-01-31T12:00:00Z.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Failed before.")]


@app.command(
    "list", epilog=epilog("hookline dead-letters list --state open", "hookline dead-letters list --unowned --json")
)
def list_(
    state: Annotated[str | None, typer.Option(metavar="STATE", help="open, redriven or dismissed.")] = None,
    webhook: Webhook = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    unowned: Unowned = False,
    limit: Annotated[int, typer.Option(min=1, max=_LISTED_MAX, help="So many at most.")] = 100,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Show letters, newest first, for as long as their topics keep them."""
    wanted = {"state": state, "webhook_id": webhook, "topic": topic, "since": since, "until": until}
    found = _unowned(data_dir, limit) if unowned else _own(data_dir, limit, wanted)
    if as_json:
        console.show_json(found)
        return
    names = ("id", "failed_at", "stage", "code", "webhook_id", "state")
    rows = [[str(one.get(name) or "-") for name in names] for one in found]
    console.output_console().print(console.plain_table(names, rows) if rows else "no dead letter")


@app.command(
    epilog=epilog(f"hookline dead-letters show {_EXAMPLE}", f"hookline dead-letters show {_EXAMPLE} --unowned")
)
def show(
    letter_id: Id,
    unowned: Unowned = False,
    body: Annotated[
        bool, typer.Option("--body", help="With --unowned: its bytes as they are, to standard output.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show one letter as JSON: what went wrong, the record, and what was done with it."""
    from hookline.errors import UsageError

    if body and not unowned:
        raise UsageError("--body goes with --unowned")
    if not unowned:
        from hookline.management_client import open_client

        with open_client(data_dir) as client:
            console.show_json(client.call("GET", f"{LETTERS}/{letter_id}"))
        return
    from hookline.configuration import settings_near
    from hookline.dead_letters import read_unowned

    letter = read_unowned(settings_near(data_dir), letter_id)
    if body:
        sys.stdout.buffer.write(letter.value)
    else:
        console.show_json(_shown(letter))


@app.command(
    epilog=epilog(
        f'hookline dead-letters redrive {_EXAMPLE} --reason "mended in 1.4"',
        'hookline dead-letters redrive --all --webhook 0190… --reason "mended in 1.4" --rate 100',
        f'hookline dead-letters redrive {_EXAMPLE} --reason "client renamed" --change change.json',
    )
)
def redrive(
    reason: Reason,
    letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="One, or many.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Open ones that the filters name, oldest first.")] = False,
    webhook: Webhook = None,
    topic: Topic = None,
    change: Annotated[
        Path | None,
        typer.Option(help='Of one: JSON with "body", "body_base64", "fields" or "patch", as the API takes it.'),
    ] = None,
    mode: Annotated[str, typer.Option(help="redrive, or fill: only what has had no success yet.")] = "redrive",
    rate: Annotated[int, typer.Option(min=50, max=1_000, help="So many in a second.")] = 200,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Give letters another try; end with 1 when any of them could not be.

    A request is replayed under a new delivery id; an action's command is
    written again. A letter goes once: for another try replay its delivery.
    """
    from hookline.errors import ExitCode
    from hookline.management_client import open_client

    named = letter_ids or []
    _check(named, every, change)
    given = {"reason": reason, "mode": mode}
    with open_client(data_dir) as client:
        if every:
            wanted = _given({"webhook_id": webhook, "topic": topic})
            done = _redrive_all(client, {**given, "filter": wanted, "rate_per_second": rate})
        elif len(named) == 1:
            one = client.call("POST", f"{LETTERS}/{named[0]}/redrive", body=given | _read_change(change))
            done = {"redriven": [one], "refused": []}
        else:
            many = {**given, "ids": named, "rate_per_second": rate}
            done = client.call("POST", f"{LETTERS}/redrive", body=many)
    _tell(done, as_json=as_json)
    if done["refused"]:
        raise typer.Exit(ExitCode.WORK_FAILED)


@app.command(epilog=epilog(f'hookline dead-letters dismiss {_EXAMPLE} --reason "a load test"'))
def dismiss(letter_id: Id, reason: Reason, data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Say that nothing is to be done with a letter; it stays in the list."""
    from hookline.management_client import open_client

    with open_client(data_dir) as client:
        told = client.call("POST", f"{LETTERS}/{letter_id}/dismiss", body={"reason": reason})
    if as_json:
        console.show_json(told)
    else:
        typer.echo(f"{told['id']}  {told['state']}")


def _redrive_all(client: ManagementClient, wanted: dict[str, Any]) -> dict[str, Any]:
    """Ask until no more fit, or none of those that do can be tried again."""
    redriven: list[Any] = []
    refused: dict[str, Any] = {}
    while True:
        done = client.call("POST", f"{LETTERS}/redrive", body=wanted)
        redriven += done["redriven"]
        refused |= {one["id"]: one for one in done["refused"]}
        if not done["has_more"] or not done["redriven"]:
            return {"redriven": redriven, "refused": list(refused.values())}


def _own(data_dir: Path, limit: int, wanted: dict[str, str | None]) -> list[dict[str, Any]]:
    from itertools import islice

    from hookline.management_client import open_client

    with open_client(data_dir) as client:
        return list(islice(client.pages(LETTERS, **_given(wanted)), limit))


def _unowned(data_dir: Path, limit: int) -> list[dict[str, Any]]:
    from hookline.configuration import settings_near
    from hookline.dead_letters import list_unowned
    from infra.clock import rfc3339_of

    rows = list_unowned(settings_near(data_dir).postgres.dsn.get_secret_value(), limit)
    return [
        {
            "id": f"{row['topic']}:{row['partition']}:{row['record_offset']}",
            "failed_at": rfc3339_of(row["failed_at"]),
            **{name: row[name] for name in ("stage", "code", "record_bytes")},
        }
        for row in rows
    ]


def _shown(letter: Letter) -> dict[str, Any]:
    return {
        "id": str(letter.place),
        "failure": None if letter.failure is None else letter.failure.model_dump(mode="json"),
        "headers": {name: (value or b"").decode("utf-8", "backslashreplace") for name, value in letter.headers},
        "record_bytes": len(letter.value),
    }


def _check(named: list[str], every: bool, change: Path | None) -> None:
    from hookline.errors import UsageError

    if bool(named) == every:
        raise UsageError("name letters, or take --all with filters")
    if change is not None and len(named) != 1:
        raise UsageError("--change is of one letter")


def _read_change(path: Path | None) -> dict[str, Any]:
    from hookline.errors import UsageError

    if path is None:
        return {}
    import orjson

    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UsageError(f"--change {path}: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"--change {path}: this is no JSON object")
    return found


def _given(wanted: dict[str, str | None]) -> dict[str, str | int]:
    return {name: value for name, value in wanted.items() if value is not None}


def _tell(done: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        console.show_json(done)
        return
    for one in done["redriven"]:
        typer.echo(f"{one['id']}  {one['new_delivery_id']}")
    for one in done["refused"]:
        console.show_error(f"{one['id']}: {one['message']}")
