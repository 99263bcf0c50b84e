"""`hookline replay`: run many deliveries again, watched, bounded and audited."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from hookline import console
from hookline.cli_options import DEFAULT_DATA_DIR, AsJson, DataDir, epilog
from hookline.errors import ExitCode

app = typer.Typer(no_args_is_help=True, help="Run deliveries again: plan, run, pause, resume, stop and watch jobs.")
Json = dict[str, Any]
_RANGE = "--from 2026-01-31T08:00:00Z --to 2026-01-31T09:00:00Z"
_COUNTS = ("selected", "published", "present", "lost", "refused", "remaining")


class Mode(StrEnum):
    """How a job treats what has had its success."""

    REDRIVE = "redrive"
    FILL = "fill"


Since = Annotated[str | None, typer.Option("--from", metavar="TIME", help="Received from then on.")]
Until = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Received before then.")]
Webhooks = Annotated[list[str] | None, typer.Option("--webhook", metavar="SLUG", help="Of these webhooks (repeat it).")]
Statuses = Annotated[list[str] | None, typer.Option("--status", metavar="STATUS", help="With these (repeat it).")]
Offsets = Annotated[
    list[str] | None, typer.Option("--offsets", metavar="TOPIC:PARTITION:A-B", help="Raw records (repeat it).")
]
Ids = Annotated[list[str] | None, typer.Option("--ids", metavar="ID[,ID]", help="These deliveries (repeat it).")]
ModeOption = Annotated[Mode, typer.Option("--mode", help="redrive: again whatever was; fill: what had no success.")]
Rate = Annotated[int, typer.Option("--rate", min=1, max=5_000, help="Records per second.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before more than 10,000 records are replayed.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the audit.")]
Why = Annotated[str | None, typer.Option("--reason", help="Why, for the audit.")]


@app.command("run", epilog=epilog(f"hookline replay run {_RANGE} --status failed --mode fill --reason outage"))
@app.command("plan", epilog=epilog(f"hookline replay plan {_RANGE} --webhook rmm-alerts --reason outage"))
def begin(  # noqa: PLR0913  # one per option
    context: typer.Context,
    reason: Reason,
    since: Since = None,
    until: Until = None,
    webhook: Webhooks = None,
    status: Statuses = None,
    offsets: Offsets = None,
    ids: Ids = None,
    mode: ModeOption = Mode.REDRIVE,
    rate: Rate = 200,
    yes: Yes = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Select deliveries by time, webhook and status, by ids or by offsets: plan counts them, run replays them.

    A plan is a job that waits: hookline replay resume ID lets it run. A job
    over more than 10,000 records is run once you have said yes.
    """
    from hookline.management_client import open_client
    from hookline.replaying import Wanted, ask, await_plan, change

    wanted = Wanted(since, until, webhook or [], status or [], offsets or [], ids or [])
    plan_only = context.command.name == "plan"
    with open_client(data_dir) as client:
        how = {"mode": mode.value, "rate_per_second": rate, "reason": reason, "plan_only": plan_only}
        job = await_plan(client, ask(client, wanted, how))
        if job["state"] == "awaiting_confirmation" and not plan_only:
            if not yes:
                typer.confirm(f"{job['counts']['selected']:,} records: replay them?", abort=True, err=True)
            job = change(client, job["id"], "confirm", reason)
    _show(job, as_json=as_json)


@app.command(epilog=epilog("hookline replay pause 0199f0c0-0000-7000-8000-000000000001 --reason 'too many tickets'"))
def pause(job_id: JobId, reason: Why = None, data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Publish no more for now."""
    _change(data_dir, job_id, "pause", reason, as_json=as_json)


@app.command(epilog=epilog("hookline replay resume 0199f0c0-0000-7000-8000-000000000001"))
def resume(job_id: JobId, reason: Why = None, data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Go on with a job that is paused, or let one run that waits for confirmation."""
    _change(data_dir, job_id, "resume", reason, as_json=as_json)


@app.command(epilog=epilog("hookline replay stop 0199f0c0-0000-7000-8000-000000000001"))
def stop(job_id: JobId, reason: Why = None, data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """End a job; what it has published stays."""
    _change(data_dir, job_id, "stop", reason, as_json=as_json)


@app.command(epilog=epilog("hookline replay status 0199f0c0-0000-7000-8000-000000000001 --follow"))
def status(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", help="Show every change until the job ends.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Show how far a job is; ends with 1 when the job has failed."""
    from hookline.management_client import open_client
    from hookline.replaying import REPLAYS, changes

    with open_client(data_dir) as client:
        job: Json = client.call("GET", f"{REPLAYS}/{job_id}")
        if follow:
            for changed in changes(client, job):
                job = changed
                _show(job, as_json=as_json)
        else:
            _show(job, as_json=as_json)
    if job["state"] == "failed":
        raise typer.Exit(ExitCode.WORK_FAILED)


@app.command("list", epilog=epilog("hookline replay list", "hookline replay list --state running --json"))
def list_(
    state: Annotated[str | None, typer.Option("--state", help="Jobs that stand there.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Show the jobs, newest first."""
    from hookline.management_client import open_client
    from hookline.replaying import REPLAYS

    with open_client(data_dir) as client:
        found = list(client.pages(REPLAYS, **({} if state is None else {"state": state})))
    if as_json:
        console.show_json(found)
        return
    rows = [
        [job["id"], job["state"], job["mode"], *(str(job["counts"][name]) for name in _COUNTS), job["reason"]]
        for job in found
    ]
    columns = ["id", "state", "mode", *(f"#{name}" for name in _COUNTS), "reason"]
    console.output_console().print(console.plain_table(columns, rows) if rows else "no job")


def _change(data_dir: Any, job_id: str, what: str, reason: str | None, *, as_json: bool) -> None:
    from hookline.management_client import open_client
    from hookline.replaying import REPLAYS, change

    with open_client(data_dir) as client:
        waits = what == "resume" and client.call("GET", f"{REPLAYS}/{job_id}")["state"] == "awaiting_confirmation"
        _show(change(client, job_id, "confirm" if waits else what, reason), as_json=as_json)


def _show(job: Json, *, as_json: bool) -> None:
    if as_json:
        console.show_json(job)
        return
    counts = ", ".join(f"{job['counts'][name]:,} {name}" for name in _COUNTS)
    outcomes = ", ".join(f"{count:,} {name}" for name, count in sorted(job["outcomes"].items()))
    why = f": {job['state_reason']}" if job["state_reason"] else ""
    typer.echo(f"{job['id']} is {job['state']}{why}\n  {counts}" + (f"\n  outcomes: {outcomes}" if outcomes else ""))
