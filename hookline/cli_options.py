"""What several commands have in common on the command line."""

from pathlib import Path
from typing import Annotated

import typer

EXIT_CODES = (
    "Exit codes: 0 all well · 1 the work failed · 2 wrong use or setting · 3 not running, not ready or "
    "unreachable · 4 this machine cannot run it (see: hookline doctor)"
)
DEFAULT_DATA_DIR = Path("data")
DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="HOOKLINE_DATA_DIR", help="The folder that holds all of one stack.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Port = typer.Option(
    min=0, max=65_535, help="0: any free one. Not given: the last or the usual one when free, else any.", metavar="PORT"
)


def epilog(*examples: str) -> str:
    """Examples of a command, then the exit codes."""
    return "\n\n".join(["Examples:", *(f"  $ {example}" for example in examples), EXIT_CODES])
