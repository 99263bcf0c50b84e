"""How the command speaks to a person: results on standard output, everything else on standard error."""

import sys
import threading
import time
from collections.abc import Mapping, Sequence

import orjson
from rich.console import Console
from rich.table import Table

_PLAIN_WIDTH = 160


def output_console() -> Console:
    """For results. Where no terminal is, lines are not cut at 80 columns."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)


def show_json(value: object) -> None:
    """`value` as indented JSON on standard output, for programs."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def show_error(text: str) -> None:
    """An error of ours, in plain words on standard error."""
    sys.stderr.write(f"hookline: {text}\n")


def plain_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Mapping[str, str] | None = None
) -> Table:
    """An aligned table without lines; a column whose name begins with `#` holds numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="bold", show_header=any(columns))
    for column in columns:
        justify = "right" if column.startswith("#") else "left"
        table.add_column(column.removeprefix("#"), justify=justify, style=(styles or {}).get(column))  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*row)
    return table


class Progress:
    """Lines of what is happening, each with the seconds since the beginning. Safe to call from any thread."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        """One line."""
        with self._lock:
            self._console.print(f"[dim]{self.seconds:6.1f} s[/dim]  ", end="")
            self._console.print(text, markup=False)
