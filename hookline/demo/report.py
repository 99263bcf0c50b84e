"""The demonstration's result on the screen."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from hookline.demo.balance import Balance, BalanceLine, percentile
from hookline.demo.evidence import Evidence, ExampleTicket
from hookline.demo.traffic import SentRequest

_PRIORITY_STYLES = {"Critical": "red", "High": "yellow", "Medium": "cyan", "Low": "dim"}
_TITLE_LENGTH_MAX = 68


def show_balance(console: Console, balance: Balance) -> None:
    """Sent against answered against the delivery log against the tickets; the last line adds up."""
    table = _table("sent", "#", "answered", "#", "delivery log", "#", "tickets", "")
    for line in balance.lines:
        table.add_row(*_cells(line))
    sums = [f"{sum(getattr(line, member) for line in balance.lines):,}" for member in ("sent", "answered", "ended")]
    tickets = f"{sum(line.tickets for line in balance.lines):,}"
    table.add_section()
    table.add_row("all", sums[0], "", sums[1], "", sums[2], tickets, _mark(balance.agrees), style="bold")
    console.print()
    console.print(table)
    for fault in balance.faults:
        console.print(f"[red]✗ {fault}[/red]")


def show_tickets(console: Console, tickets: Sequence[ExampleTicket]) -> None:
    """A few of the tickets, one of each sender."""
    table = _table("#ticket", "priority", "title", "sender")
    for ticket in tickets:
        priority = f"[{_PRIORITY_STYLES.get(ticket.priority, '')}]{ticket.priority}[/]"
        table.add_row(str(ticket.number), priority, ticket.title[:_TITLE_LENGTH_MAX], ticket.sender)
    console.print()
    console.print(table)


def show_times(console: Console, sent: Sequence[SentRequest], evidence: Evidence) -> None:
    """p50 and p99 of the answers and of request to ticket."""
    table = _table("time", "#p50", "#p99", "")
    answers = [entry.seconds * 1_000 for entry in sent]
    table.add_row("answer", *_percentiles(answers), "[dim]request sent → answer read, its bytes safe in Kafka[/dim]")
    tickets = evidence.ticket_milliseconds
    table.add_row("ticket", *_percentiles(tickets), "[dim]request received → ticket committed in Postgres[/dim]")
    console.print()
    console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(
            column.lstrip("#"), justify="right" if column.startswith("#") or column == "tickets" else "left"
        )
    return table


def _cells(line: BalanceLine) -> list[str]:
    tickets = f"{line.tickets:,}" if line.tickets else "[dim]none[/dim]"
    return [
        str(line.kind),
        f"{line.sent:,}",
        str(line.status),
        f"{line.answered:,}",
        line.end,
        f"{line.ended:,}",
        tickets,
        _mark(line.agrees),
    ]


def _mark(agrees: bool) -> str:
    return "[green]✓[/green]" if agrees else "[red]✗[/red]"


def _percentiles(milliseconds: Sequence[float]) -> list[str]:
    return [f"{percentile(milliseconds, share):.1f} ms" for share in (0.50, 0.99)]
