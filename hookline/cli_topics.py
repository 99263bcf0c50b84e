"""`hookline topics`: what topics.yaml declares, and the broker made to match."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from hookline import console
from hookline.cli_options import DEFAULT_DATA_DIR, EXIT_CODES, AsJson, DataDir
from hookline.errors import ExitCode

if TYPE_CHECKING:
    from infra.topics import TopicDifference

app = typer.Typer(no_args_is_help=True, help="Show topics.yaml, compare the broker with it, or make the broker match.")


@app.command("list", epilog=EXIT_CODES)
def list_topics(as_json: AsJson = False) -> None:
    """Show every declared topic. Needs no broker."""
    from infra.topics import load_topics

    declared = load_topics()
    if as_json:
        console.show_json({name: topic.model_dump(by_alias=True) for name, topic in declared.items()})
        return
    rows = [
        [name, str(topic.partitions), topic.cleanup, _age(topic.retention_seconds), topic.owner]
        for name, topic in declared.items()
    ]
    columns = ["topic", "#partitions", "cleanup", "#kept", "owner"]
    console.output_console().print(console.plain_table(columns, rows))


@app.command("diff", epilog=EXIT_CODES)
def diff(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Show how the broker differs from topics.yaml; ends with 1 when it does."""
    from hookline.configuration import settings_near
    from infra.kafka import admin_client
    from infra.topics import diff_topics

    settings = settings_near(data_dir)
    differences = diff_topics(settings.kafka, admin_client(settings.kafka, "hookline-topics"))
    _show(differences, as_json=as_json, none="the broker matches topics.yaml")
    raise typer.Exit(ExitCode.WORK_FAILED if differences else ExitCode.OK)


@app.command("apply", epilog=EXIT_CODES)
def apply(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Make the broker match; changes nothing where that would lose or move records, and says so."""
    from hookline.configuration import settings_near
    from infra.kafka import admin_client
    from infra.topics import apply_topics

    settings = settings_near(data_dir)
    changed = apply_topics(settings.kafka, admin_client(settings.kafka, "hookline-topics"))
    _show(changed, as_json=as_json, none="nothing to do")


def _show(differences: list[TopicDifference], *, as_json: bool, none: str) -> None:
    if as_json:
        console.show_json([asdict(difference) for difference in differences])
    elif not differences:
        typer.echo(none)
    else:
        rows = [[d.topic, d.member, d.declared, d.found, "" if d.fixable else "needs a migration"] for d in differences]
        columns = ["topic", "member", "declared", "found", "note"]
        console.output_console().print(console.plain_table(columns, rows))


def _age(seconds: int | None) -> str:
    return "for ever" if seconds is None else f"{seconds / 86_400:g} d"
