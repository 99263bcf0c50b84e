"""`hookline analytics` on the command line: users of a ClickHouse server."""

from typing import Annotated

import typer

from hookline import console
from hookline.cli_options import DEFAULT_DATA_DIR, AsJson, DataDir, epilog

app = typer.Typer(
    no_args_is_help=True, help="Users of a ClickHouse server who read one tenant's rows and nothing else."
)
User = Annotated[str, typer.Option("--user", metavar="NAME", help="The user of the server.")]


@app.command("grant", epilog=epilog("hookline analytics grant --tenant acme --user acme_data"))
def grant(
    tenant: Annotated[str, typer.Option(metavar="SLUG", help="Whose rows; the tenant's id will do.")],
    user: User,
    new_password: Annotated[
        bool, typer.Option("--new-password", help="Give a user that is there another one.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--print", help="Print the statements and run none.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Make a user who reads this tenant's rows; the password is shown this once.

    Works on the server that HOOKLINE_CLICKHOUSE__DSN names. Say it again after
    an update of Hookline: tables made since then are shown too.
    """
    from hookline.sql.sources import find_tenant
    from hookline.sql.users import grant as grant_user
    from hookline.sql.users import open_server

    with open_server() as server:
        done = grant_user(server, find_tenant(data_dir, tenant), user, new_password=new_password, dry_run=dry_run)
    if as_json:
        shown = {"user": done.user, "tenant": tenant, "password": done.password}
        console.show_json({**shown, "statements": done.statements} if dry_run else shown)
    else:
        lines = (
            [f"{statement};" for statement in done.statements] if dry_run else [f"{user} reads the rows of {tenant}"]
        )
        typer.echo("\n".join(lines))
        typer.echo(
            f"{user} signs in with: {done.password}" if done.password else "the password stays as it is", err=dry_run
        )


@app.command("revoke", epilog=epilog("hookline analytics revoke --user acme_data"))
def revoke(user: User, as_json: AsJson = False) -> None:
    """Take a user away, with its policies."""
    from hookline.sql.users import open_server
    from hookline.sql.users import revoke as revoke_user

    with open_server() as server:
        statements = revoke_user(server, user)
    if as_json:
        console.show_json({"user": user, "statements": statements})
    else:
        typer.echo(f"{user} is gone")


@app.command("list", epilog=epilog("hookline analytics list"))
def list_(as_json: AsJson = False) -> None:
    """Show the users, their tenants, and how many of the tables each may read."""
    from hookline.sql.users import open_server, readers

    with open_server() as server:
        found = readers(server)
    if as_json:
        shown = [
            {"user": r.user, "tenant_id": r.tenant_id, "tables": r.tables, "tables_max": r.tables_max} for r in found
        ]
        console.show_json(shown)
        return
    rows = [[r.user, r.tenant_id or "-", f"{r.tables} of {r.tables_max}"] for r in found]
    console.output_console().print(console.plain_table(["user", "tenant", "tables"], rows) if rows else "no user")
