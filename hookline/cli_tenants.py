"""`hookline tenants` and `hookline users`: what only the operator may do, straight in the database."""

from __future__ import annotations

from typing import Annotated

import typer

from hookline import console
from hookline.cli_options import DEFAULT_DATA_DIR, AsJson, DataDir, epilog

app = typer.Typer(
    no_args_is_help=True, help="List, make and change tenants: the operator's part, as the owner of the database."
)
users_app = typer.Typer(no_args_is_help=True, help="Help users who cannot sign in.")
Slug = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's slug.")]
Entitlement = Annotated[
    list[str] | None, typer.Option("--entitlement", help="Grant webhooks, public_api or workflows. May be repeated.")
]
NoEntitlement = Annotated[list[str] | None, typer.Option("--no-entitlement", help="Withdraw one. May be repeated.")]


@app.command("list", epilog=epilog("hookline tenants list", "hookline tenants list --json"))
def list_(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Show every tenant with what it is entitled to."""
    from hookline.configuration import settings_near
    from hookline.tenants import list_tenants

    rows = list_tenants(settings_near(data_dir).postgres.dsn.get_secret_value())
    if as_json:
        console.show_json(rows)
        return
    shown = [
        [
            row["slug"],
            row["name"],
            ", ".join(row["entitlements"]) or "-",
            "on" if row["inbound_webhooks_enabled"] else "off",
            f"{row['api_requests_per_minute']:,}",
        ]
        for row in rows
    ]
    table = console.plain_table(["slug", "name", "entitlements", "inbound", "#calls/min"], shown)
    console.output_console().print(table if rows else "no tenant")


@app.command("create", epilog=epilog('hookline tenants create acme --name "Acme Ltd" --admin-email ada@acme.example'))
def create(
    slug: Slug,
    name: Annotated[str, typer.Option(help="What it is called.")],
    admin_email: Annotated[str, typer.Option(help="Who administers it; signs in with this address.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Make a tenant with an admin; the admin's password is shown this once."""
    from hookline.configuration import settings_near
    from hookline.tenants import create_tenant

    settings = settings_near(data_dir)
    made = create_tenant(
        settings.postgres.dsn.get_secret_value(), settings.management, slug=slug, name=name, admin_email=admin_email
    )
    if as_json:
        shown = {"id": made.tenant_id, "slug": made.slug, "admin_email": made.admin_email, "password": made.password}
        console.show_json(shown)
    else:
        typer.echo(f"tenant {made.slug} is there\n{made.admin_email} signs in with: {made.password}")


@app.command(
    "set",
    epilog=epilog(
        "hookline tenants set acme --no-entitlement workflows --requests-per-minute 600",
        "hookline tenants set acme --disable-inbound",
        "hookline tenants set acme --rename-slug acme-ltd",
    ),
)
def set_(
    slug: Slug,
    entitlement: Entitlement = None,
    no_entitlement: NoEntitlement = None,
    inbound: Annotated[
        bool | None, typer.Option("--enable-inbound/--disable-inbound", help="Take webhooks, or answer 401 to all.")
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Calls by API key, of all its keys together.")
    ] = None,
    rename_slug: Annotated[str | None, typer.Option(metavar="SLUG", help="Every receiver URL changes with it.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Change what a tenant may do; in force within a second."""
    from hookline.configuration import settings_near
    from hookline.errors import WorkFailedError
    from hookline.tenants import TenantChange, change_tenant

    settings = settings_near(data_dir)
    question = f"rename {slug} to {rename_slug}? The URLs of all its webhooks stop working at once"
    if rename_slug is not None and not yes and not typer.confirm(question):
        raise WorkFailedError("nothing changed")
    change = TenantChange(
        granted=entitlement or (),
        withdrawn=no_entitlement or (),
        inbound_webhooks_enabled=inbound,
        api_requests_per_minute=requests_per_minute,
        slug=rename_slug,
    )
    row = change_tenant(settings.postgres.dsn.get_secret_value(), slug, change)
    if as_json:
        console.show_json(row)
        return
    typer.echo(f"{row['slug']}: entitled to {', '.join(row['entitlements']) or 'nothing'}")
    typer.echo(f"inbound webhooks: {'on' if row['inbound_webhooks_enabled'] else 'off'}")
    typer.echo(f"calls by API key: {row['api_requests_per_minute']:,} a minute")


@users_app.command("set-password", epilog=epilog("hookline users set-password ada@acme.example --tenant acme"))
def set_password(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Whose password is lost.")],
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="The tenant's slug.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Give a user a new password, shown this once; ends their sessions and lifts a block of unknown browsers."""
    from hookline.configuration import settings_near
    from hookline.tenants import reset_password

    settings = settings_near(data_dir)
    dsn = settings.postgres.dsn.get_secret_value()
    password = reset_password(dsn, settings.management, tenant_slug=tenant, email=email)
    if as_json:
        console.show_json({"email": email, "tenant": tenant, "password": password})
    else:
        typer.echo(f"{email} signs in with: {password}")
