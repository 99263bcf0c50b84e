"""`hookline sql` and `hookline export` on the command line."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hookline import console
from hookline.cli_options import DEFAULT_DATA_DIR, AsJson, DataDir, epilog

SQL_EXAMPLES = epilog(
    'hookline sql "SELECT dispatch_status, count() FROM deliveries FINAL GROUP BY ALL"',
    'hookline sql "SELECT * FROM rejections" --tenant acme --format csv > rejections.csv',
    'hookline sql "DESCRIBE deliveries"',
)
EXPORT_EXAMPLES = epilog(
    "hookline export --since 7d --output deliveries.parquet",
    "hookline export --since 2026-10-01 --until 2026-11-01 --by day --output october --tenant acme",
    "hookline export --table rejections --format csv --since 24h --output rejections.csv",
)
Tenant = Annotated[
    str | None, typer.Option("--tenant", metavar="SLUG", help="Only this tenant's rows; its id will do.")
]
Seconds = Annotated[int, typer.Option(min=1, max=86_400, help="Stop a statement that takes longer.")]
Memory = Annotated[int, typer.Option(min=64, max=1_048_576, help="Stop a statement that needs more memory.")]


def sql(
    statement: Annotated[
        str,
        typer.Argument(
            metavar="STATEMENT", help="SELECT, WITH, EXPLAIN, DESCRIBE or SHOW; - reads it from standard input."
        ),
    ],
    format_: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="table, csv, json, jsonl or parquet.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the answer here, whole or not at all.")
    ] = None,
    tenant: Tenant = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="No more rows than this; a table has 1,000 unless you say.")
    ] = None,
    seconds: Seconds = 300,
    memory_mebibytes: Memory = 2_048,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Ask the delivery log in ClickHouse's SQL; read-only, of all tenants.

    Asks the server that HOOKLINE_CLICKHOUSE__DSN names, else the stack that
    runs on the data folder, else the folder itself. Rows go out as they come,
    so an answer may be larger than memory. docs/sql.md has the tables.
    """
    from hookline.sql.asking import ask, chosen_format
    from hookline.sql.sources import find_tenant, open_source
    from infra.sql.reader import SqlQuestion

    kind = chosen_format(format_, output)
    text = sys.stdin.read() if statement == "-" else statement
    question = SqlQuestion(
        sql=text,
        tenant_id=None if tenant is None else find_tenant(data_dir, tenant),
        seconds=seconds,
        memory_mebibytes=memory_mebibytes,
    )
    with open_source(data_dir) as source:
        answer = ask(source, question, kind, output=output, rows_max=limit)
    if answer.cut:
        typer.echo(f"cut after {answer.rows:,} rows: say --limit for more, or --format csv for all", err=True)
    if output is not None:
        typer.echo(f"{answer.rows:,} rows in {output}", err=True)


def export(
    output: Annotated[Path, typer.Option(metavar="PATH", help="The file; with --by day a new folder.")],
    since: Annotated[
        str, typer.Option(metavar="TIME", help="2026-10-01, 2026-10-01T12:00:00Z, or how long ago: 24h, 7d.")
    ],
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before this; now, unless given.")] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help="parquet, csv or jsonl; what the file's name says, else parquet."
        ),
    ] = None,
    table: Annotated[str, typer.Option(metavar="TABLE", help="deliveries or rejections.")] = "deliveries",
    tenant: Tenant = None,
    webhook: Annotated[str | None, typer.Option(metavar="SLUG", help="Only what was sent to this webhook.")] = None,
    by: Annotated[str | None, typer.Option(metavar="day", help="A folder with one file per day of UTC.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Write deliveries or rejections to a file, or to a folder of one file per day.

    Rows go out as they come, so memory stays the same however many there are.
    What is written takes its name when it is whole and its rows are counted;
    bodies are masked as the log shows them.
    """
    from hookline.sql.exporting import export as export_rows
    from hookline.sql.exporting import export_of
    from hookline.sql.sources import find_tenant, open_source

    wanted = export_of(
        table=table,
        kind=format_,
        times=(since, until),
        tenant_id=None if tenant is None else find_tenant(data_dir, tenant),
        webhook=webhook or "",
        output=output,
        by=by,
    )
    with open_source(data_dir) as source:
        done = export_rows(source, wanted)
    if as_json:
        console.show_json({"rows": done.rows, "bytes": done.bytes, "files": done.files, "output": str(output)})
    else:
        typer.echo(
            f"{done.rows:,} rows, {done.bytes:,} bytes in {done.files:,} file{'s' * (done.files != 1)}: {output}"
        )
