"""`hookline doctor` as a person sees it."""

from collections.abc import Sequence
from dataclasses import asdict

from hookline.console import output_console, plain_table, show_json
from hookline.embedded.doctor import Check, examine

__all__ = ["examine", "show_checks"]


def show_checks(checks: Sequence[Check], *, as_json: bool) -> None:
    """Every check with its verdict; what to do stands below."""
    if as_json:
        show_json([asdict(check) for check in checks])
        return
    console = output_console()
    console.print(plain_table(["", "", ""], [[_verdict(check), check.name, check.detail] for check in checks]))
    advised = [check for check in checks if check.advice]
    if advised:
        console.print("\n[bold]What to do[/bold]")
    for check in advised:
        console.print(f"  {check.name}: {check.advice}", markup=False)


def _verdict(check: Check) -> str:
    if check.ok:
        return "[green]ok[/green]"
    return "[red]wrong[/red]" if check.required else "[dim]none[/dim]"
