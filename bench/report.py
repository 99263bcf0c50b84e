"""A run's result: its file, its figures beside floors and aims, and the same as a table for people or for the page.

`python -m bench.report --markdown` prints the section of docs/benchmarks.md for the newest committed result;
`--write` puts it there.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from rich.table import Table

from bench.machine import Machine
from hookline.console import plain_table

RESULTS = Path(__file__).with_name("results")
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_BEGIN, _END = "<!-- newest result: begin -->", "<!-- newest result: end -->"
_COLUMNS = ("figure", "#value", "#floor", "#ratio", "#aim", "met")
_ACTION_COLUMNS = (
    *("action", "what becomes of the entity", "#commands", "#floor", "#ratio"),
    *("#p50 of a batch", "#p99 of a batch", "#statements per command"),
)
_MEMORY_COLUMNS = ("process", "#processes", "#resident MiB", "#proportional MiB")
_PER_SECOND, _MILLISECONDS, _MICROSECONDS = "/s", " ms", " µs"


class BenchResult(BaseModel):
    """One run. `measurements` holds what each bench module's `measure` gave, `failures` why one gave nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    started_at: datetime
    seconds: float
    quick: bool
    machine: Machine
    measurements: dict[str, dict[str, Any]]
    failures: dict[str, str]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line. A rate's aim is its least value, another's its limit; None where there is no aim or floor."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    aim: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value ÷ floor: below 1 for a rate, above 1 for a time."""
        return self.value / self.floor if self.floor else None

    @property
    def is_met(self) -> bool | None:
        """None without an aim."""
        if self.aim is None:
            return None
        return self.value >= self.aim if self.unit == _PER_SECOND else self.value < self.aim

    def cells(self) -> list[str]:
        """As in `_COLUMNS`."""
        sign = "≥" if self.unit == _PER_SECOND else "<"
        return [
            self.name,
            _number(self.value) + self.unit,
            _number(self.floor) + self.unit if self.floor else "",
            f"{self.ratio:.2f}" if self.ratio else "",
            f"{sign} {_number(self.aim)}{self.unit}" if self.aim is not None else "",
            {None: "", True: "yes", False: "no"}[self.is_met],
        ]


def figures_of(measurements: Mapping[str, Mapping[str, Any]]) -> list[Figure]:
    """Every figure that the measurements hold, in the order of the pipeline."""
    readers = {
        "verification": _verification,
        "limits": _limits,
        "ingress": _ingress,
        "processors": _processors,
        "actions": _actions,
        "mappings": _mappings,
        "analytics": _analytics,
        "log": _log,
        "management": _management,
        "mixed": _mixed,
        "pipeline": _pipeline,
        "replays": _replays,
    }
    return [figure for name, read in readers.items() if name in measurements for figure in read(measurements[name])]


def _verification(rows: Mapping[str, Any]) -> Iterator[Figure]:
    for name, cost in rows["microseconds"].items():
        floor = rows["floor, 64 KiB" if "64 KiB" in name else "floor"]
        yield Figure(f"proof, {name}", cost, _MICROSECONDS, floor)


def _limits(rows: Mapping[str, Any]) -> Iterator[Figure]:
    local, leased = rows["local"], rows["leased"]
    yield Figure("request counted against a rate, local", local, _MICROSECONDS)
    yield Figure("request counted against a rate, leased", leased, _MICROSECONDS, local)


_MAPPINGS_RATIO_MAX = 2
_INGRESS_AIMS = {"1 worker(s), 64 connections": 16_000, "1 worker(s), 256 connections": 20_000}


def _ingress(rows: Mapping[str, Any]) -> Iterator[Figure]:
    for name, row in rows.items():
        receiver, title = row["receiver"], name.replace("worker(s)", "worker" if name.startswith("1 ") else "workers")
        # More workers have no floor of their own: the one worker's, at as many connections, stands beside them.
        alone = rows.get(f"1 worker(s), {name.partition(', ')[2]}", {})
        floor = row.get("produce only") or alone.get("produce only", {})
        yield Figure(
            f"verified requests, {title}",
            receiver["per_second"],
            _PER_SECOND,
            floor.get("per_second"),
            _INGRESS_AIMS.get(name),
        )
        for share in ("p50", "p99"):
            member = f"{share}_milliseconds"
            yield Figure(f"answer {share}, {title}", receiver[member], _MILLISECONDS, floor.get(member))


def _processors(rows: Mapping[str, Any]) -> Iterator[Figure]:
    floor = rows["floor_1"]["requests_per_second"]
    for processes, aim, name in ((1, 35_000, "1 processor process"), (2, 50_000, "2 processor processes")):
        yield Figure(f"events, {name}", rows[f"processors_{processes}"]["requests_per_second"], _PER_SECOND, floor, aim)
    recovery = rows["recovery"]
    yield Figure(
        "table recovery, records",
        recovery["records_per_second"],
        _PER_SECOND,
        recovery.get("floor_records_per_second"),
        50_000,
    )


def _actions(rows: Mapping[str, Any]) -> Iterator[Figure]:
    yield Figure("tickets", rows["tickets_per_second"], _PER_SECOND, rows["floor_rows_per_second"], 2_000)


def _mappings(rows: Mapping[str, Any]) -> Iterator[Figure]:
    many, kinds = f"among {rows['many']:,}", {"one": "1 id looked up", "hundred": "100 ids looked up at once"}
    for kind, name in (kinds | {"update": "100 tickets updated by id"}).items():
        for share, aim in (("p50", None), ("p99", _MAPPINGS_RATIO_MAX)):
            value, floor = (rows[kind][store][f"{share}_milliseconds"] for store in ("many", "few"))
            yield Figure(f"{name} {many} {share}", value, _MILLISECONDS, floor, aim and aim * floor)


def _analytics(rows: Mapping[str, Any]) -> Iterator[Figure]:
    yield Figure("delivery rows", rows["rows_per_second"], _PER_SECOND, rows["floor_rows_per_second"], 50_000)


_LOG_PAGE_MILLISECONDS_MAX, _LOG_SEARCH_MILLISECONDS_MAX, _LOG_GROWTH_MEBIBYTES_MAX = 200, 1_000, 50


def _log(rows: Mapping[str, Any]) -> Iterator[Figure]:
    among, bodies = f"among {rows['rows']:,}", f"in {rows['search']['bodies']:,} bodies"
    yield Figure(f"deliveries filled in, {rows['rows']:,}", rows["fill"]["requests_per_second"], _PER_SECOND)
    floors = {"reads": rows["reads"]["floor"], "search": rows["search"]["floor"]}
    for group, where, limit in (
        ("reads", among, _LOG_PAGE_MILLISECONDS_MAX),
        ("search", bodies, _LOG_SEARCH_MILLISECONDS_MAX),
    ):
        for name, times in rows[group].items():
            if name.startswith("floor") or name == "bodies":
                continue
            for share, aim in (("p50", None), ("p99", limit)):
                member = f"{share}_milliseconds"
                what = f"search by {name}" if group == "search" else name
                yield Figure(f"{what} {where} {share}", times[member], _MILLISECONDS, floors[group][member], aim)
    export = rows["export"]
    yield Figure(f"deliveries exported, {export['rows']:,}", export["rows_per_second"], _PER_SECOND)
    yield Figure(
        "memory of ten times the export", export["growth_mebibytes"], " MiB more", aim=_LOG_GROWTH_MEBIBYTES_MAX
    )


def _management(rows: Mapping[str, Any]) -> Iterator[Figure]:
    listed = f"list of {rows['listed']:,} webhooks"
    for share, list_aim, seen_aim in (("p50", None, None), ("p99", 100, 1_000)):
        member = f"{share}_milliseconds"
        yield Figure(f"{listed} {share}", rows["list"][member], _MILLISECONDS, rows["floor_list"][member], list_aim)
        yield Figure(f"change seen by a receiver {share}", rows["seen"][member], _MILLISECONDS, aim=seen_aim)
    yield Figure("changes of webhooks saved", rows["saves_per_second"], _PER_SECOND)
    loaded = rows["loaded"]
    yield Figure(f"{loaded['webhooks']:,} webhooks loaded", loaded["seconds"], " s", aim=10)
    yield Figure(f"{loaded['webhooks']:,} webhooks in memory", loaded["megabytes_peak"], " MB", aim=500)


def _mixed(rows: Mapping[str, Any]) -> Iterator[Figure]:
    for what in ("requests", "actions"):
        yield Figure(f"{what} of a mixed stream", rows[f"{what}_per_second"], _PER_SECOND)


def _pipeline(rows: Mapping[str, Any]) -> Iterator[Figure]:
    rate = f"at {rows['requests_per_second']}/s"
    for what, name in (("ticket", "request to ticket"), ("answer", "answer")):
        for share in ("p50", "p99"):
            member = f"{share}_milliseconds"
            aim = 500 if (what, share) == ("ticket", "p99") else None
            yield Figure(
                f"{name} {share} {rate}", rows[what][member], _MILLISECONDS, rows[f"floor_{what}"][member], aim
            )


#: A job at its default rate may make the slowest of live traffic take so many times as long.
_REPLAYS_RATIO_MAX = 2


def _replays(rows: Mapping[str, Any]) -> Iterator[Figure]:
    records, live = f"{rows['records']:,}", rows["live_per_second"]
    yield Figure(f"replayed, {records} requests", rows["replayed_per_second"], _PER_SECOND, live)
    yield Figure("records published by the job alone", rows["published_per_second"], _PER_SECOND)
    yield Figure(f"dry run, {records} requests", rows["dry_run_per_second"], _PER_SECOND)
    rates = f"at {rows['requests_per_second']}/s beside {rows['replays_per_second']} replays/s"
    for what, name in (("ticket", "request to ticket"), ("answer", "answer")):
        for share in ("p50", "p99"):
            value, floor = (rows[load][what][f"{share}_milliseconds"] for load in ("beside_job", "alone"))
            aim = _REPLAYS_RATIO_MAX * floor if (what, share) == ("ticket", "p99") else None
            yield Figure(f"{name} {share} {rates}", value, _MILLISECONDS, floor, aim)


def action_rows(measurements: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """As in `_ACTION_COLUMNS`: every action, and each of its effects."""
    rows = []
    for load in measurements.get("action_types", {}).get("loads", ()):
        rate = Figure("", load["per_second"], _PER_SECOND, load["floor_rows_per_second"])
        batch = [_number(load["batch"][f"{share}_milliseconds"]) + _MILLISECONDS for share in ("p50", "p99")]
        statements = f"{load['statements_per_command']:.3f}"
        rows.append([load["action"], load["effect"], *rate.cells()[1:4], *batch, statements])
    return rows


def memory_rows(measurements: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """As in `_MEMORY_COLUMNS`: the stack's processes after the pipeline's load; none when that was not measured."""
    rows = []
    for name, memory in measurements.get("pipeline", {}).get("memory", {}).items():
        proportional = memory["proportional_mebibytes"]
        sizes = [_number(memory["resident_mebibytes"]), "" if proportional is None else _number(proportional)]
        rows.append([name, str(memory["processes"]), *sizes])
    return rows


def figure_table(result: BenchResult) -> Table:
    """For a terminal."""
    rows = [figure.cells() for figure in figures_of(result.measurements)]
    colours = {"yes": "[green]yes[/green]", "no": "[red]no[/red]"}
    return plain_table(_COLUMNS, [[*row[:-1], colours.get(row[-1], "")] for row in rows])


def further_tables(result: BenchResult) -> list[Table]:
    """For a terminal: those that are not of figures alone."""
    return [plain_table(columns, rows) for columns, rows in _further(result)]


def _further(result: BenchResult) -> list[tuple[tuple[str, ...], list[list[str]]]]:
    """Columns and rows of the tables below the figures that have any."""
    tables = [
        (_ACTION_COLUMNS, action_rows(result.measurements)),
        (_MEMORY_COLUMNS, memory_rows(result.measurements)),
    ]
    return [(columns, rows) for columns, rows in tables if rows]


def describe(result: BenchResult) -> list[str]:
    """In words: when, on what, and whether the figures can be relied on."""
    machine = result.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    load = f"load average {machine.load_average}, CPUs {machine.busy_percent:.0f} % busy before the start"
    lines = [
        f"{result.started_at:%Y-%m-%d %H:%M} UTC, {result.seconds:.0f} s, commit {machine.commit or 'unknown'}",
        f"{machine.cpus} CPUs ({machine.cpu_model}), {machine.memory_mebibytes:,} MiB, {machine.system}; {load}",
        versions,
    ]
    if not machine.is_quiet:
        lines.append("Warning: the machine was busy with something else; the figures are lower than it could give.")
    if result.quick:
        lines.append("Quick: every measurement ran for a third of its time; the figures are rough.")
    return lines + [f"Not measured: {name}: {reason}" for name, reason in result.failures.items()]


def newest_result(folder: Path = RESULTS) -> tuple[Path, BenchResult] | None:
    """The result in `folder` that was started last."""
    results = [(path, BenchResult.model_validate_json(path.read_text("utf-8"))) for path in folder.glob("*.json")]
    return max(results, key=lambda found: found[1].started_at, default=None)


def markdown(found: tuple[Path, BenchResult] | None) -> str:
    """The page's section, between its two marks."""
    if found is None:
        return f"{_BEGIN}\n\nNo result has been committed yet.\n\n{_END}"
    path, result = found
    parts = [f"From `bench/results/{path.name}`:", "\n".join(f"- {line}" for line in describe(result))]
    parts.append(_markdown_table(_COLUMNS, [figure.cells() for figure in figures_of(result.measurements)]))
    parts += [_markdown_table(columns, rows) for columns, rows in _further(result)]
    return "\n\n".join([_BEGIN, *parts, _END])


def section_of(page: str) -> str:
    """The page's section as it is, marks included. Raises ValueError when a mark is missing."""
    return page[page.index(_BEGIN) : page.index(_END) + len(_END)]


def _markdown_table(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    head = [column.removeprefix("#") for column in columns]
    rule = ["---:" if column.startswith("#") else "---" for column in columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def main() -> None:
    """Print or write the section."""
    parser = argparse.ArgumentParser(description="The section of docs/benchmarks.md for the newest committed result.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--markdown", action="store_true", help="print it")
    what.add_argument("--write", action="store_true", help="put it into the page")
    arguments = parser.parse_args()
    section = markdown(newest_result())
    if arguments.write:
        page = PAGE.read_text("utf-8")
        PAGE.write_text(page.replace(section_of(page), section), "utf-8")
    else:
        print(section)


if __name__ == "__main__":
    main()
