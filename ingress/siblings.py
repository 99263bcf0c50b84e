"""What the worker processes of one port know of each other: each leaves its metrics and health in a shared folder.

A scrape or a readiness check reaches one worker only, and must speak for all. Others' figures are up to a second old;
those of a worker that has died stay in the counters, so that no counter goes back.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from infra.role import PartHealth

_GONE = "gone.prom"
_COUNTS = ("_total", "_bucket", "_sum", "_count")
# Every worker shows the same of these; adding them up would be wrong.
_SAME_EVERYWHERE = frozenset({"hookline_ingress_webhooks", "python_info", "process_max_fds"})


def merge(texts: Iterable[str]) -> str:
    """Several expositions in the Prometheus text format as one: samples added up, start times the earliest."""
    comments: dict[str, list[str]] = {}
    samples: dict[str, dict[str, float]] = {}
    for text in texts:
        family, own_comments = "", list[str]()
        for line in text.splitlines():
            if line.startswith("#"):
                name = line.split(" ", 3)[2]
                if name != family:
                    family, own_comments = name, []
                own_comments.append(line)
                comments.setdefault(family, own_comments)
                continue
            sample, _, value = line.rpartition(" ")
            merged = samples.setdefault(family, {})
            merged[sample] = _combine(sample, merged.get(sample), float(value))
    lines: list[str] = []
    for family, values in samples.items():
        lines += comments.get(family, [])
        lines += [f"{sample} {value!r}" for sample, value in values.items()]
    return "\n".join(lines) + "\n" if lines else ""


def counts_only(text: str) -> str:
    """The lines of `text` that may stand for a process that is gone: its counts, and what describes them."""
    return "".join(
        f"{line}\n"
        for line in text.splitlines()
        if line.startswith("#") or line.partition(" ")[0].partition("{")[0].endswith(_COUNTS)
    )


def _combine(sample: str, before: float | None, value: float) -> float:
    if before is None:
        return value
    name = sample.partition("{")[0]
    if name.endswith("_created") or name == "process_start_time_seconds":
        return min(before, value)
    return max(before, value) if name in _SAME_EVERYWHERE else before + value


class Siblings:
    """The shared folder, seen from one worker (or from the process that started them, which has no slot)."""

    def __init__(self, folder: Path, slots: int) -> None:
        self._folder = folder
        self._slots = slots

    def publish(self, slot: int, exposition: str, health: PartHealth) -> None:
        """Leave this worker's state for the others."""
        left = {"ready": health.ready, "reasons": health.reasons, "details": dict(health.details)}
        _replace(self._folder / f"{slot}.prom", exposition)
        _replace(self._folder / f"{slot}.json", json.dumps(left))

    def exposition(self, slot: int, own: str) -> str:
        """The metrics of all workers, living and gone."""
        others = [_read(self._folder / f"{other}.prom") for other in range(self._slots) if other != slot]
        return merge([own, *others, _read(self._folder / _GONE)])

    def health(self, slot: int, own: PartHealth) -> list[PartHealth]:
        """The health of all workers; one that has left no word is not ready."""
        return [own if other == slot else self._health_of(other) for other in range(self._slots)]

    def bury(self, slot: int) -> None:
        """A worker has died: keep its counts, forget the rest."""
        exposition = self._folder / f"{slot}.prom"
        _replace(self._folder / _GONE, merge([_read(self._folder / _GONE), counts_only(_read(exposition))]))
        for file in (exposition, self._folder / f"{slot}.json"):
            file.unlink(missing_ok=True)

    def _health_of(self, slot: int) -> PartHealth:
        text = _read(self._folder / f"{slot}.json")
        if not text:
            return PartHealth(worker_name(slot), ready=False, reasons=("worker: not started",))
        state = json.loads(text)
        reasons, details = tuple(state["reasons"]), state["details"]
        return PartHealth(worker_name(slot), ready=state["ready"], reasons=reasons, details=details)


def worker_name(slot: int) -> str:
    """A worker as logs, clients and /readyz name it."""
    return f"ingress-{slot}"


def _replace(file: Path, text: str) -> None:
    partial = file.with_suffix(f"{file.suffix}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)


def _read(file: Path) -> str:
    with suppress(FileNotFoundError):
        return file.read_text(encoding="utf-8")
    return ""
