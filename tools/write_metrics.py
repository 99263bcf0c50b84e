"""The list in docs/metrics.md, made from infra/metrics.py; what stands before it is written by hand.

`--check` writes nothing and says whether it is current. A comment at the margin of infra/metrics.py begins a section:
its first sentence is the title, the rest says which values labels take.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from infra import metrics  # noqa: E402  # the repository's own, before any installed one
from tools.made_file import write_or_check  # noqa: E402

PAGE = ROOT / "docs" / "metrics.md"
MARK = "<!-- from here on made by tools/write_metrics.py -->"
COLUMNS = "| metric | type | labels | meaning |\n|---|---|---|---|\n"
_SUFFIXES = {"counter": "_total"}
_SECTION_OR_METRIC = re.compile(r'^((?:# .+\n)+)|_(?:counter|gauge|histogram)\(\s*"(\w+)"', re.MULTILINE)


def page(current: str) -> str:
    """`current` with its list made anew. Raises ValueError when the mark before the list is not there."""
    by_hand, found, _ = current.partition(MARK)
    if not found:
        raise ValueError(f"{PAGE.name} lacks the line {MARK}")
    known = by_name()
    source = Path(metrics.__file__).read_text("utf-8")
    parts: list[str] = []
    for comment, name in _SECTION_OR_METRIC.findall(source):
        if comment:
            title, _, text = comment.replace("# ", "").replace("\n", " ").strip().partition(". ")
            words = f"{text}\n\n" if text else ""
            parts.append(f"\n## {title.removesuffix('.')}\n\n{words}{COLUMNS}")
        else:
            parts.append(_row(known[f"hookline_{name}"]))
    return f"{by_hand}{MARK}\n{''.join(parts)}"


def by_name() -> dict[str, Any]:
    """Every metric by the name that it was made with."""
    return {metric._name: metric for member in vars(metrics).values() for metric in _metrics_in(member)}


def labels_by_sample() -> Mapping[str, frozenset[str]]:
    """The labels of every sample that a scrape may show, by the sample's name."""
    found: dict[str, frozenset[str]] = {}
    for name, metric in by_name().items():
        labels = frozenset(metric._labelnames)
        if metric._type == "histogram":
            found |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            found[f"{name}{_SUFFIXES.get(metric._type, '')}"] = labels
    return found


def _metrics_in(member: object) -> Iterator[Any]:
    for one in member if isinstance(member, metrics.RelayMetrics) else (member,):
        if hasattr(one, "_labelnames"):
            yield one


def _row(metric: Any) -> str:
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    name = f"{metric._name}{_SUFFIXES.get(metric._type, '')}"
    return f"| `{name}` | {metric._type} | {labels} | {metric._documentation} |\n"


def main() -> int:
    """Exit 0 when the file is written, or current, else 1."""
    return write_or_check(PAGE, page(PAGE.read_text("utf-8")), what="infra/metrics.py says", tool="write_metrics.py")


if __name__ == "__main__":
    sys.exit(main())
