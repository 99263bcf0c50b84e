"""`hookline webhooks` and `hookline apply`: webhooks on the command line and in files that live in git."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from hookline import console
from hookline.cli_options import DEFAULT_DATA_DIR, AsJson, DataDir, epilog
from hookline.errors import ExitCode, NotReadyError, UsageError, WorkFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hookline.management_client import ManagementClient
    from hookline.webhook_files.carrying_out import Result
    from hookline.webhook_files.declarations import Declaration

app = typer.Typer(no_args_is_help=True, help="List, show, apply, delete, rotate and test inbound webhooks.")
_SIGNS = {"create": "+", "update": "~", "delete": "-", "none": " ", "refused": "!"}
Slug = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's slug.")]
Files = Annotated[
    list[Path], typer.Option("--file", "-f", help="YAML with `webhooks:`, or a folder of such files. May be repeated.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change; ends with 1 when anything would.")]
Prune = Annotated[bool, typer.Option("--prune", help="Delete webhooks that the files do not declare.")]
SetSecrets = Annotated[bool, typer.Option("--set-secrets", help="Set the secrets of webhooks that are there too.")]

RefuseIfWorse = Annotated[
    int | None,
    typer.Option(
        "--refuse-if-worse", min=1, max=1_000, help="Refuse changes with which more of so many last requests fail."
    ),
]


@app.command("list", epilog=epilog("hookline webhooks list", "hookline webhooks list --search rmm --json"))
def list_webhooks(
    search: Annotated[str | None, typer.Option(help="Part of a name, slug or description.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Show the tenant's webhooks."""
    from hookline.management_client import WEBHOOKS, open_client

    with open_client(data_dir) as client:
        found = list(client.pages(WEBHOOKS, **({} if search is None else {"search": search})))
    if as_json:
        console.show_json(found)
        return
    rows = [
        [w["slug"], "yes" if w["is_active"] else "no", _proof(w), _handler(w), w["last_triggered_at"] or "-"]
        for w in found
    ]
    table = console.plain_table(["slug", "active", "proof", "handler", "last triggered"], rows)
    console.output_console().print(table if rows else "no webhook")


@app.command("presets", epilog=epilog("hookline webhooks presets", "hookline webhooks presets github"))
def presets(
    name: Annotated[str | None, typer.Argument(metavar="[PRESET]", help="Everything about one.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Show the senders that `auth_type: preset` knows: how each proves itself, and what to enter where."""
    from hookline.management_client import PRESETS, open_client
    from hookline.webhook_files.documents import yaml_text

    with open_client(data_dir) as client:
        found = list(client.pages(PRESETS)) if name is None else client.call("GET", f"{PRESETS}/{quote(name, safe='')}")
    if as_json:
        console.show_json(found)
    elif name is not None:
        typer.echo(yaml_text(found), nl=False)
    else:
        rows = [[p["name"], p["title"], p["category"], ", ".join(p["fields"]), p["proof"]] for p in found]
        console.output_console().print(console.plain_table(["preset", "sender", "kind", "fields", "proof"], rows))


@app.command("get", epilog=epilog("hookline webhooks get rmm-alerts > rmm-alerts.yaml"))
def get(slug: Slug, data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Show one webhook: as a file for `hookline apply`, or with --json everything the API shows."""
    from hookline.management_client import WEBHOOKS, open_client
    from hookline.webhook_files.declarations import declaration_of
    from hookline.webhook_files.documents import yaml_text

    with open_client(data_dir) as client:
        shown = client.call("GET", f"{WEBHOOKS}/{_find(client, slug)['id']}")
    if as_json:
        console.show_json(shown)
    else:
        typer.echo(yaml_text({"webhooks": [declaration_of(shown)]}), nl=False)


@app.command("apply", epilog=epilog("hookline webhooks apply -f webhooks.yaml --dry-run"))
def apply(
    files: Files,
    dry_run: DryRun = False,
    prune: Prune = False,
    set_secrets: SetSecrets = False,
    refuse_if_worse: RefuseIfWorse = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Make the tenant's webhooks what files declare; members they do not mention stay as they are."""
    from hookline.management_client import open_client
    from hookline.webhook_files.carrying_out import as_planned, carry_out
    from hookline.webhook_files.declarations import read_webhook_files
    from hookline.webhook_files.steps import plan

    declarations = read_webhook_files(files)
    with open_client(data_dir) as client:
        in_force = _in_force(client, [declaration.slug for declaration in declarations], everything=prune)
        preset_secrets = _preset_secrets(client, declarations, in_force)
        steps = plan(declarations, in_force, prune=prune, set_secrets=set_secrets, preset_secrets=preset_secrets)
        done = map(as_planned, steps) if dry_run else carry_out(client, steps, refuse_if_worse=refuse_if_worse)
        results = _shown(done, as_json=as_json)
    problems = [f"{result.slug}: {result.problem}" for result in results if result.problem is not None]
    if problems:
        raise WorkFailedError("\n".join([f"{len(problems)} of {len(results)} could not be done", *problems]))
    if dry_run and any(result.kind != "none" for result in results):
        raise typer.Exit(ExitCode.WORK_FAILED)


@app.command("delete", epilog=epilog("hookline webhooks delete rmm-alerts --yes"))
def delete(
    slug: Slug,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Delete a webhook with its external ids; its deliveries stay in the log."""
    from hookline.management_client import WEBHOOKS, open_client

    with open_client(data_dir) as client:
        shown = _find(client, slug)
        if not yes and not typer.confirm(f"delete {slug}? Its URL stops working at once"):
            raise WorkFailedError("nothing deleted")
        client.call("DELETE", f"{WEBHOOKS}/{shown['id']}")
    typer.echo(f"deleted {slug}")


@app.command("rotate", epilog=epilog("hookline webhooks rotate rmm-alerts --overlap-seconds 3600"))
def rotate(
    slug: Slug,
    overlap_seconds: Annotated[int | None, typer.Option(min=0, help="How long the old secret stays good.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Make a new secret and print it, this once; the old one stays good for 24 h unless said otherwise."""
    from hookline.management_client import WEBHOOKS, open_client

    body = {} if overlap_seconds is None else {"rotation_overlap_seconds": overlap_seconds}
    with open_client(data_dir) as client:
        rotated = client.call("POST", f"{WEBHOOKS}/{_find(client, slug)['id']}/rotate-secret", body=body)
    if as_json:
        console.show_json(rotated)
        return
    until = rotated["previous_secret_valid_until"]
    typer.echo(f"new secret of {slug}, shown this once: {rotated['secret']}")
    typer.echo("the previous one is not good any more" if until is None else f"the previous one is good until {until}")


@app.command("test", epilog=epilog("hookline webhooks test rmm-alerts --file alert.json --dry-run"))
def send_test(
    slug: Slug,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="The body to send; else the sample.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Map and check only; nothing happens.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Send a marked request through the pipeline, and print what became of it.

    Ends with 1 when it failed, and with 3 when there was no outcome in time.
    """
    from hookline.management_client import WEBHOOKS, open_client

    body: dict[str, Any] = {"dry_run": dry_run}
    if file is not None:
        body["text"] = _text_of(file)
    with open_client(data_dir) as client:
        found = client.call("POST", f"{WEBHOOKS}/{_find(client, slug)['id']}/test", body=body)
    console.show_json(found)
    if found.get("waiting_for"):
        raise NotReadyError("\n".join(["no outcome yet, it waits for", *found["waiting_for"]]))
    failed = bool(found["problems"]) if dry_run else found["dispatch_status"] == "failed"
    raise typer.Exit(ExitCode.WORK_FAILED if failed else ExitCode.OK)


def _find(client: ManagementClient, slug: str) -> dict[str, Any]:
    shown = _in_force(client, [slug], everything=False).get(slug)
    if shown is None:
        raise WorkFailedError(f"no webhook {slug}")
    return shown


def _in_force(client: ManagementClient, slugs: Sequence[str], *, everything: bool) -> dict[str, dict[str, Any]]:
    """What is there, by slug: all, or the named ones. What cannot be a slug is not asked for."""
    from hookline.management_client import WEBHOOKS
    from schemas.webhooks import SLUG_PATTERN

    if everything:
        return {shown["slug"]: shown for shown in client.pages(WEBHOOKS)}
    possible = [slug for slug in slugs if re.fullmatch(SLUG_PATTERN, slug)]
    return {shown["slug"]: shown for slug in possible for shown in client.pages(WEBHOOKS, slug=slug)}


def _preset_secrets(
    client: ManagementClient, declarations: Sequence[Declaration], in_force: Mapping[str, dict[str, Any]]
) -> dict[str, str | None]:
    """The field of each preset that is a secret; not asked for where no preset is meant."""
    from hookline.management_client import PRESETS

    meant = any("preset" in declaration.auth_config for declaration in declarations)
    if not meant and all(shown["auth_type"] != "preset" for shown in in_force.values()):
        return {}
    return {shown["name"]: shown["secret_field"] for shown in client.pages(PRESETS)}


def _shown(results: Iterable[Result], *, as_json: bool) -> list[Result]:
    """The results, shown one by one, so that no secret is lost when a later one fails; as JSON all at the end."""
    shown: list[Result] = []
    try:
        for result in results:
            shown.append(result)
            if not as_json:
                _show(result)
    finally:
        if as_json:
            console.show_json([_as_json(result) for result in shown])
    return shown


def _show(result: Result) -> None:
    typer.echo(f"{_SIGNS[result.kind]} {result.slug}: {'as declared' if result.kind == 'none' else result.kind}")
    for difference in result.differences:
        before, after = (json.dumps(value, ensure_ascii=False) for value in (difference.before, difference.after))
        typer.echo(f"    {difference.path}: {before} -> {after}")
    if result.sets_secret and result.kind == "update":
        typer.echo("    secret: as the file says")
    if result.secret is not None:
        typer.echo(f"    secret, shown this once: {result.secret}")


def _as_json(result: Result) -> dict[str, Any]:
    members = result._asdict()
    differences = [difference._asdict() for difference in result.differences]
    return {"webhook": members.pop("slug"), "step": members.pop("kind"), **members, "differences": differences}


def _proof(shown: dict[str, Any]) -> str:
    if shown["auth_type"] == "preset":
        return f"preset {shown['auth_config']['preset']}"
    return "[red]none[/red]" if shown["auth_type"] == "none" else str(shown["auth_type"])


def _handler(shown: dict[str, Any]) -> str:
    config = shown["handler_config"]
    return str(config.get("action") or f"workflow {config.get('workflow_id')}")


def _text_of(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8") from error
