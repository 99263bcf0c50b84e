"""`hookline webhooks` and `hookline apply`: webhooks on the command line and in files that live in git."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from hookline import console
from hookline.cli_options import DEFAULT_DATA_DIR, AsJson, DataDir, epilog
from hookline.errors import ExitCode, UsageError, WorkFailedError

if TYPE_CHECKING:
    from hookline.management_client import ManagementClient
    from hookline.webhook_files import Step

app = typer.Typer(no_args_is_help=True, help="List, show, apply, delete, rotate and test inbound webhooks.")
_RESOURCE = "/inbound-webhooks"
_SIGNS = {"create": "+", "update": "~", "delete": "-", "none": " "}
Slug = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's slug.")]
File = Annotated[Path, typer.Option("--file", "-f", help="YAML with `webhooks:`; see docs/webhook-files.md.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change; ends with 1 when anything would.")]
Prune = Annotated[bool, typer.Option("--prune", help="Delete webhooks that the file does not declare.")]
SetSecrets = Annotated[bool, typer.Option("--set-secrets", help="Set the secrets of webhooks that are there too.")]


@app.command("list", epilog=epilog("hookline webhooks list", "hookline webhooks list --search rmm --json"))
def list_webhooks(
    search: Annotated[str | None, typer.Option(help="Part of a name, slug or description.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Show the tenant's webhooks."""
    from hookline.management_client import open_client

    with open_client(data_dir) as client:
        found = list(client.pages(_RESOURCE, **({} if search is None else {"search": search})))
    if as_json:
        console.show_json(found)
        return
    rows = [
        [w["slug"], "yes" if w["is_active"] else "no", w["auth_type"], _handler(w), w["last_triggered_at"] or "-"]
        for w in found
    ]
    table = console.plain_table(["slug", "active", "proof", "handler", "last triggered"], rows)
    console.output_console().print(table if rows else "no webhook")


@app.command("get", epilog=epilog("hookline webhooks get rmm-alerts > rmm-alerts.yaml"))
def get(slug: Slug, data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Show one webhook: as a file for `hookline apply`, or with --json everything the API shows."""
    from hookline.management_client import open_client
    from hookline.webhook_files import declaration_of

    with open_client(data_dir) as client:
        shown = _find(client, slug)
    if as_json:
        console.show_json(shown)
    else:
        typer.echo(yaml.safe_dump({"webhooks": [declaration_of(shown)]}, sort_keys=False, allow_unicode=True), nl=False)


@app.command("apply", epilog=epilog("hookline webhooks apply -f webhooks.yaml --dry-run"))
def apply(
    file: File,
    dry_run: DryRun = False,
    prune: Prune = False,
    set_secrets: SetSecrets = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Make the tenant's webhooks what a file declares; members it does not mention stay as they are."""
    from hookline.management_client import open_client
    from hookline.webhook_files import plan, read_webhook_file, with_secrets, without_secrets

    declared = read_webhook_file(file)
    with open_client(data_dir) as client:
        in_force = _in_force(client, [entry["slug"] for entry in declared], everything=prune)
        steps = plan(declared, in_force, prune=prune)
        if set_secrets:
            steps = [step._replace(kind="update") if _sets_secret(step) else step for step in steps]
        generated: dict[str, str] = {}
        for step in () if dry_run else steps:
            resolve = with_secrets if set_secrets or step.kind == "create" else None
            body = without_secrets(step.declared) if resolve is None else resolve(step.declared, file.parent)
            secret = _carry_out(client, step, body, in_force)
            if secret is not None and body == without_secrets(step.declared):
                generated[step.slug] = secret
    _show_steps(steps, generated, as_json=as_json)
    changes = any(step.kind != "none" for step in steps)
    raise typer.Exit(ExitCode.WORK_FAILED if dry_run and changes else ExitCode.OK)


@app.command("delete", epilog=epilog("hookline webhooks delete rmm-alerts --yes"))
def delete(
    slug: Slug,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Delete a webhook with its external ids; its deliveries stay in the log."""
    from hookline.management_client import open_client

    with open_client(data_dir) as client:
        shown = _find(client, slug)
        if not yes and not typer.confirm(f"delete {slug}? Its URL stops working at once"):
            raise WorkFailedError("nothing deleted")
        client.call("DELETE", f"{_RESOURCE}/{shown['id']}")
    typer.echo(f"deleted {slug}")


@app.command("rotate", epilog=epilog("hookline webhooks rotate rmm-alerts --overlap-seconds 3600"))
def rotate(
    slug: Slug,
    overlap_seconds: Annotated[int | None, typer.Option(min=0, help="How long the old secret stays good.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Make a new secret and print it, this once; the old one stays good for 24 h unless said otherwise."""
    from hookline.management_client import open_client

    body = {} if overlap_seconds is None else {"rotation_overlap_seconds": overlap_seconds}
    with open_client(data_dir) as client:
        rotated = client.call("POST", f"{_RESOURCE}/{_find(client, slug)['id']}/rotate-secret", body=body).content
    if as_json:
        console.show_json(rotated)
    else:
        typer.echo(f"new secret of {slug}: {rotated['secret']}")
        typer.echo(f"the previous one is good until {rotated['previous_secret_valid_until'] or 'now'}")


@app.command("test", epilog=epilog("hookline webhooks test rmm-alerts --file alert.json --dry-run"))
def send_test(
    slug: Slug,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="A JSON body; else the captured sample.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Map and check only; nothing happens.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Send a marked request through the pipeline and print what became of it; ends with 1 when it failed."""
    from hookline.management_client import open_client

    body: dict[str, Any] = {"dry_run": dry_run}
    if file is not None:
        body["body"] = _json_of(file)
    with open_client(data_dir) as client:
        found = client.call("POST", f"{_RESOURCE}/{_find(client, slug)['id']}/test", body=body).content
    console.show_json(found)
    well = found.get("valid", True) if dry_run else found.get("dispatch_status") in ("dispatched", "filtered")
    raise typer.Exit(ExitCode.OK if well else ExitCode.WORK_FAILED)


def _find(client: ManagementClient, slug: str) -> dict[str, Any]:
    shown = _in_force(client, [slug], everything=False).get(slug)
    if shown is None:
        raise WorkFailedError(f"no webhook {slug}")
    return shown


def _in_force(client: ManagementClient, slugs: list[str], *, everything: bool) -> dict[str, dict[str, Any]]:
    """What is there, by slug: all, or the named ones."""
    if everything:
        return {shown["slug"]: shown for shown in client.pages(_RESOURCE)}
    found = {}
    for slug in slugs:
        for shown in client.pages(_RESOURCE, slug=slug):
            found[shown["slug"]] = shown
    return found


def _carry_out(
    client: ManagementClient, step: Step, body: dict[str, Any], in_force: dict[str, dict[str, Any]]
) -> str | None:
    """Do one step; the secret the answer shows, if any. An update is refused when somebody else was faster."""
    from hookline.webhook_files import completed

    if step.kind == "create":
        answer: dict[str, Any] = client.call("POST", _RESOURCE, body=body).content
        return answer.get("secret")
    if step.kind == "none":
        return None
    shown = in_force[step.slug]
    if step.kind == "delete":
        client.call("DELETE", f"{_RESOURCE}/{shown['id']}")
        return None
    whole = {**completed(body, shown), "version": shown["version"]}
    changed = client.call("PUT", f"{_RESOURCE}/{shown['id']}", body=whole).content
    return changed.get("secret")  # type: ignore[no-any-return]  # JSON


def _sets_secret(step: Step) -> bool:
    from hookline.webhook_files import without_secrets

    return step.kind == "none" and without_secrets(step.declared) != step.declared


def _show_steps(steps: list[Step], generated: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        shown = [
            {"webhook": s.slug, "step": s.kind, "differences": [d._asdict() for d in s.differences]} for s in steps
        ]
        console.show_json({"steps": shown, "generated_secrets": generated})
        return
    for step in steps:
        typer.echo(f"{_SIGNS[step.kind]} {step.slug}: {step.kind if step.kind != 'none' else 'as declared'}")
        for difference in step.differences:
            before, after = (json.dumps(value, ensure_ascii=False) for value in (difference.before, difference.after))
            typer.echo(f"    {difference.path}: {before} -> {after}")
    for slug, secret in generated.items():
        typer.echo(f"secret of {slug}, shown this once: {secret}")


def _handler(shown: dict[str, Any]) -> str:
    config = shown["handler_config"]
    return str(config.get("action") or f"workflow {config.get('workflow_id')}")


def _json_of(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}") from error
