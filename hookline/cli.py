"""The command line: it parses, calls, prints and ends with an exit code; the work is in the modules it calls.

These are imported by the command that needs them, so that `--help` is quick and a role's process stays small.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hookline import (
    cli_analytics,
    cli_keys,
    cli_ledger,
    cli_replay,
    cli_sql,
    cli_tenants,
    cli_topics,
    cli_webhooks,
    console,
)
from hookline.cli_options import DEFAULT_DATA_DIR, AsJson, DataDir, Port, epilog
from hookline.embedded.errors import EmbeddedError
from hookline.errors import ExitCode, exit_code_of
from infra import log
from infra.errors import HooklineError


class HooklineGroup(TyperGroup):
    """Shows an error of ours as one message and ends with its exit code, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        log.configure(role="hookline", log_format="console", level="error")
        try:
            return super().invoke(ctx)
        except (HooklineError, EmbeddedError) as error:
            console.show_error(str(error))
            raise typer.Exit(exit_code_of(error)) from error


app = typer.Typer(
    cls=HooklineGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Hookline takes webhooks, keeps every byte in Kafka, and turns each into one action, once.",
    epilog=epilog("hookline demo", "hookline up", "hookline send rmm-alerts --sample datto", "hookline status"),
)

app.add_typer(cli_topics.app, name="topics")
app.add_typer(cli_webhooks.app, name="webhooks")
app.add_typer(cli_keys.app, name="keys")
app.add_typer(cli_ledger.app, name="ledger")
app.add_typer(cli_replay.app, name="replay")
app.add_typer(cli_tenants.app, name="tenants")
app.add_typer(cli_tenants.users_app, name="users")
app.add_typer(cli_analytics.app, name="analytics")
app.command("apply", epilog=epilog("hookline apply -f webhooks.yaml --dry-run"))(cli_webhooks.apply)
app.command("sql", epilog=cli_sql.SQL_EXAMPLES)(cli_sql.sql)
app.command("export", epilog=cli_sql.EXPORT_EXAMPLES)(cli_sql.export)


def main() -> None:
    """The installed command."""
    app(prog_name="hookline")


@app.command(epilog=epilog("hookline up", "hookline up --data-dir /srv/hookline --ingress-port 9000"))
def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    ingress_port: Annotated[int | None, Port] = None,
    management_port: Annotated[int | None, Port] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Write a copy of DATA_DIR/ready.json here.")] = None,
    external: Annotated[bool, typer.Option("--external", help="Use services that run already.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Receiver processes.")] = None,
) -> None:
    """Run the whole stack on this machine until Ctrl-C.

    Starts Kafka and Postgres (no Docker), makes tenant demo with webhook
    rmm-alerts, starts every role, and starts again what dies. The data folder
    keeps everything; two folders are two stacks, side by side.

    With --external it uses the services that HOOKLINE_KAFKA__BOOTSTRAP,
    HOOKLINE_POSTGRES__DSN and, if set, HOOKLINE_CLICKHOUSE__DSN name.
    """
    from hookline.configuration import load_settings
    from hookline.stack import StackOptions
    from hookline.up import run_up

    options = StackOptions(
        data_dir=data_dir,
        ingress_port=ingress_port,
        management_port=management_port,
        ready_file=ready_file,
        external=external,
        workers=workers,
    )
    run_up(options, load_settings())


@app.command(epilog=epilog("hookline run ingress", "hookline run management,actions,analytics"))
def run(
    roles: Annotated[
        str, typer.Argument(metavar="ROLE[,ROLE]", help="ingress, processors, management, actions or analytics.")
    ],
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Instead of HOOKLINE_DATA_DIR.")] = None,
) -> None:
    """Run one role, or several that may share a process, until SIGTERM.

    management, actions and analytics may share a process; ingress and
    processors need one each. Settings come from the environment:
    HOOKLINE_KAFKA__BOOTSTRAP, HOOKLINE_POSTGRES__DSN and the like.
    """
    from hookline.configuration import load_settings
    from hookline.roles import parse_roles, run_roles

    names = parse_roles(roles)
    settings = load_settings()
    run_roles(settings if data_dir is None else settings.model_copy(update={"data_dir": data_dir}), names)


@app.command(epilog=epilog("hookline migrate", "HOOKLINE_POSTGRES__DSN=postgresql://… hookline migrate --json"))
def migrate(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Bring the tables of Postgres, and of a ClickHouse server, up to this release.

    Works on what the environment names, else on the stack that runs on the
    data folder. The embedded ClickHouse is migrated by its own process.
    """
    from hookline.configuration import settings_near
    from hookline.migrating import migrate_stores

    applied = migrate_stores(settings_near(data_dir))
    if as_json:
        console.show_json({"applied": applied})
    else:
        for store, names in applied.items():
            typer.echo(f"{store}: {', '.join(names) or 'nothing to do'}")


@app.command(
    epilog=epilog("hookline send rmm-alerts --sample ninja --count 5", "hookline send rmm-alerts --file alert.json")
)
def send(
    webhook: Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's slug.")],
    file: Annotated[Path | None, typer.Option(help="Send these bytes; each time the same.")] = None,
    sample: Annotated[
        str | None, typer.Option(metavar="NAME", help="Send new alerts: ninja, datto, n-able, automate or atera.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many requests.")] = 1,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Send signed requests to a webhook of the running stack; print each status and delivery id.

    Ends with 1 when any of them was not answered 200.
    """
    from hookline.ready_file import read_ready_file
    from hookline.sending import bodies_of, send_signed

    bodies = bodies_of(file, sample)
    answers = []
    for answer in send_signed(read_ready_file(data_dir), webhook, bodies, count):
        answers.append(answer)
        if not as_json:
            typer.echo(f"{answer.status}  {answer.delivery_id or '-'}")
    if as_json:
        console.show_json([answer._asdict() for answer in answers])
    if any(answer.status != 200 for answer in answers):
        raise typer.Exit(ExitCode.WORK_FAILED)


@app.command(epilog=epilog("hookline status", "hookline status --json"))
def status(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Show whether every part is ready, how far behind each is, and what is to be done.

    Also when each last committed, how old the oldest record is that waits for
    it, and how long until records are deleted that it has not come to.
    """
    from hookline.ready_file import read_ready_file
    from hookline.status import read_status, show_status

    found = read_status(read_ready_file(data_dir))
    if as_json:
        console.show_json(found.as_json())
    else:
        show_status(found)
    raise typer.Exit(ExitCode.OK if found.ready else ExitCode.NOT_READY)


@app.command(epilog=epilog("hookline doctor", "hookline doctor --ingress-port 8080 --json"))
def doctor(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    ingress_port: Annotated[int, typer.Option(min=0, max=65_535, help="Check this port too.")] = 0,
    management_port: Annotated[int, typer.Option(min=0, max=65_535, help="Check this port too.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Look at what is missing or wrong on this machine, and say what to do. Changes nothing."""
    from hookline.diagnosis import examine, show_checks

    checks = examine(data_dir, {"receiver": ingress_port, "management": management_port})
    show_checks(checks, as_json=as_json)
    unusable = any(check.required and not check.ok for check in checks)
    raise typer.Exit(ExitCode.ENVIRONMENT_UNUSABLE if unusable else ExitCode.OK)


@app.command(epilog=epilog("hookline demo", "hookline demo --keep"))
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running at the end.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Use this new or empty folder, not a temporary one.")
    ] = None,
) -> None:
    """Start a fresh stack, send 1,000 signed alerts through it, and show that nothing is lost or done twice.

    Ends with 0 only when every count agrees with what was sent.
    """
    from hookline.demo.demo import run_demo

    raise typer.Exit(ExitCode.OK if run_demo(data_dir, keep=keep) else ExitCode.WORK_FAILED)
