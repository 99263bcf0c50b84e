"""`hookline status`: is every part ready, how far behind is each group, when did it last commit."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.markup import escape

from hookline.console import output_console, plain_table
from hookline.readiness import Readiness, ask_ready, loopback_client
from hookline.ready_file import ReadyFile

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class PartStatus:
    """A part as a person wants to know it. `last_commit_at_us`: microseconds since the epoch, None before the first."""

    name: str
    ready: bool
    reasons: tuple[str, ...]
    pid: int | None
    url: str
    lag_records: int | None = None
    last_commit_at_us: int | None = None


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A consumer group. `members` and `lag_records` are None while the broker does not say.

    `reasons` say in words what it lacks, such as a topic that no member reads; empty when it is whole.
    """

    group_id: str
    role: str
    members: int | None
    lag_records: int | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StackStatus:
    """Everything `hookline status` knows."""

    ready: bool
    data_dir: str
    parts: list[PartStatus] = field(default_factory=list)
    groups: list[GroupStatus] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read_status(ready_file: ReadyFile) -> StackStatus:
    """Ask every process of the stack; a process that does not answer is a part that is not ready."""
    parts: list[PartStatus] = []
    with loopback_client() as client:
        for process, url in ready_file.ready_urls.items():
            parts += _parts_of(process, url, ask_ready(client, url), ready_file)
        overview = ask_ready(client, f"{ready_file.management_url}/status").content
    groups = [
        GroupStatus(group["group_id"], group["role"], group["members"], group["lag_records"], tuple(group["reasons"]))
        for group in overview.get("groups", ())
    ]
    everything = all(part.ready for part in parts) and bool(groups) and not any(group.reasons for group in groups)
    return StackStatus(everything, str(ready_file.data_dir), parts, groups)


def _parts_of(process: str, url: str, found: Readiness, ready_file: ReadyFile) -> Iterator[PartStatus]:
    """The parts an answer names; the process itself where it names none."""
    parts = found.content.get("parts")
    if not parts:
        yield PartStatus(process, found.ready, found.reasons, ready_file.pids.get(process), url)
        return
    for part in parts:
        name = part["name"]
        yield PartStatus(
            name,
            part["ready"],
            tuple(part["reasons"]),
            ready_file.pids.get(name, ready_file.pids.get(process)),
            url,
            part.get("lag_records"),
            part.get("last_commit_at_us"),
        )


def age_text(at_us: int | None) -> str:
    """How long ago, in a person's words."""
    if at_us is None:
        return "-"
    seconds = max(0.0, time.time() - at_us / MICROSECONDS)
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 7200 else f"{seconds / 3600:.0f} h ago"


def show_status(status: StackStatus) -> None:
    """Two tables: the parts, and the consumer groups."""
    console = output_console()
    verdict = "[green]ready[/green]" if status.ready else "[red]not ready[/red]"
    console.print(f"{verdict}  {status.data_dir}\n")
    rows = [
        [
            part.name,
            "[green]ready[/green]" if part.ready else "[red]not ready[/red]",
            str(part.pid or "-"),
            age_text(part.last_commit_at_us),
            escape("; ".join(part.reasons)),
        ]
        for part in status.parts
    ]
    console.print(plain_table(["part", "state", "#pid", "#last commit", "why"], rows))
    groups = [
        [g.group_id, g.role, _number(g.members), _number(g.lag_records), escape("; ".join(g.reasons))]
        for g in status.groups
    ]
    console.print()
    console.print(plain_table(["group", "role", "#members", "#lag", "why"], groups))


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
