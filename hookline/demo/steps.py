"""Steps of a demonstration on the screen: a spinner or bar while one runs, one line when it is done.

Where no terminal is, only the lines of finished steps are printed.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

_TITLE_WIDTH = 22


class Step:
    """A running step. `detail` is shown at its end too; `advance` may be called from any thread."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self.detail = ""

    def show(self, text: str) -> None:
        """What is happening now."""
        self._progress.update(self._task, detail=text)

    def advance(self, to: int | None = None) -> None:
        """One more done, or `to` of them."""
        if to is None:
            self._progress.advance(self._task)
        else:
            self._progress.update(self._task, completed=to)


class Steps:
    """Prints to `console`."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str, *, total: int | None = None, done: str | None = None) -> Iterator[Step]:
        """Show `title` while the block runs, and `done` (or `title`) with its seconds when it has run through."""
        began = time.monotonic()
        columns = [SpinnerColumn(), TextColumn(f"{{task.description:<{_TITLE_WIDTH}}}"), TimeElapsedColumn()]
        bar = [BarColumn(bar_width=30)] if total else []
        progress = Progress(
            *columns,
            *bar,
            TextColumn("[dim]{task.fields[detail]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        with progress:
            step = Step(progress, progress.add_task(title, total=total, detail=""))
            yield step
        seconds = time.monotonic() - began
        self._console.print(
            f"[green]✓[/green] {done or title:<{_TITLE_WIDTH}} {seconds:5.1f} s   [dim]{step.detail}[/dim]"
        )
