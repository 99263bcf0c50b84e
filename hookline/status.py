"""`hookline status`: is every part ready, how far behind is each group, when does it lose data, what is to be done."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from rich.markup import escape

from hookline.console import output_console, plain_table
from hookline.readiness import Readiness, ask_ready, loopback_client
from hookline.ready_file import ReadyFile
from infra.advice import duration_text, part_advice

MICROSECONDS = 1_000_000
#: Management asks the broker about every group, and may be asking already.
_OVERVIEW_SECONDS_MAX = 20.0


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
    oldest_unprocessed_seconds: float | None = None
    data_loss_in_seconds: float | None = None
    what_to_do: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A consumer group. `members` and `lag_records` are None while the broker does not say.

    `reasons` say in words what it lacks, such as a topic that no member reads; empty when it is whole.
    `data_loss_in_seconds` is at the group's pace of late (None: it keeps up), `retention_left_seconds` were it to stand
    still. `last_commit_at` is when its offsets were seen to move (RFC 3339).
    """

    group_id: str
    role: str
    members: int | None
    lag_records: int | None
    reasons: tuple[str, ...] = ()
    lag_by_topic: dict[str, int] = field(default_factory=dict)
    oldest_unprocessed_at: str | None = None
    oldest_unprocessed_seconds: float | None = None
    last_commit_at: str | None = None
    retention_left_seconds: float | None = None
    data_loss_in_seconds: float | None = None
    data_loss_topic: str | None = None
    lost_records: int | None = None
    what_to_do: tuple[str, ...] = ()


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
    with loopback_client(_OVERVIEW_SECONDS_MAX) as client:
        overview = ask_ready(client, f"{ready_file.management_url}/status").content
    groups = [_group_of(group) for group in overview.get("groups", ())]
    parts: list[PartStatus] = []
    with loopback_client() as client:
        for process, url in ready_file.ready_urls.items():
            parts += _parts_of(process, url, ask_ready(client, url), ready_file)
    parts = [_with_backlog(part, groups) for part in parts]
    everything = all(part.ready for part in parts) and bool(groups) and not any(group.reasons for group in groups)
    return StackStatus(everything, str(ready_file.data_dir), parts, groups)


def _group_of(shown: Mapping[str, Any]) -> GroupStatus:
    """A group of /status; what a management of another release does not say stays at its default."""
    members: dict[str, Any] = {one.name: shown[one.name] for one in fields(GroupStatus) if one.name in shown}
    for name in {"reasons", "what_to_do"} & members.keys():
        members[name] = tuple(members[name])
    return GroupStatus(**members)


def _with_backlog(part: PartStatus, groups: Sequence[GroupStatus]) -> PartStatus:
    """What waits for a part is what waits for the groups of its role."""
    own = [group for group in groups if group.role == part.name]
    ages = [one.oldest_unprocessed_seconds for one in own if one.oldest_unprocessed_seconds is not None]
    losses = [one.data_loss_in_seconds for one in own if one.data_loss_in_seconds is not None]
    return replace(
        part,
        oldest_unprocessed_seconds=max(ages, default=None),
        data_loss_in_seconds=min(losses, default=None),
        what_to_do=part_advice(part.reasons),
    )


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
    """Two tables, the parts and the consumer groups, and what is to be done."""
    console = output_console()
    verdict = "[green]ready[/green]" if status.ready else "[red]not ready[/red]"
    console.print(f"{verdict}  {status.data_dir}\n")
    rows = [
        [
            part.name,
            "[green]ready[/green]" if part.ready else "[red]not ready[/red]",
            str(part.pid or "-"),
            _number(part.lag_records),
            _duration(part.oldest_unprocessed_seconds),
            age_text(part.last_commit_at_us),
            escape("; ".join(part.reasons)),
        ]
        for part in status.parts
    ]
    console.print(plain_table(["part", "state", "#pid", "#lag", "#oldest", "#last commit", "why"], rows))
    groups = [
        [
            *(g.group_id, g.role, _number(g.members), _number(g.lag_records)),
            *(_duration(g.oldest_unprocessed_seconds), _duration(g.data_loss_in_seconds)),
            escape("; ".join(g.reasons)),
        ]
        for g in status.groups
    ]
    console.print()
    console.print(plain_table(["group", "role", "#members", "#lag", "#oldest", "#loses data in", "why"], groups))
    _show_advice(status)


def _show_advice(status: StackStatus) -> None:
    advice = [f"{part.name}: {one}" for part in status.parts for one in part.what_to_do]
    advice += [f"{group.group_id}: {one}" for group in status.groups for one in group.what_to_do]
    if advice:
        console = output_console()
        console.print("\nWhat to do")
        for line in advice:
            console.print(f"  {escape(line)}", soft_wrap=True)


def _duration(seconds: float | None) -> str:
    return "-" if seconds is None else duration_text(seconds)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
