"""As much of PromQL as tells which metrics and labels an expression names, and that its brackets close."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TEXT = re.compile(r'"[^"]*"')
_SELECTOR = re.compile(r"\b(hookline_\w+|up)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_WORD = re.compile(r"\b[a-zA-Z_]\w*\b")
#: What Prometheus itself adds to a sample of a scrape.
SCRAPE_LABELS = frozenset({"instance", "job"})
_CLOSING = {")": "(", "]": "[", "}": "{"}
_RANGE = re.compile(r"\[(\d+[smhd]|\$__rate_interval)\]")
_FUNCTIONS = ("sum", "max", "min", "count", "rate", "increase", "histogram_quantile", "time", "vector")
_KNOWN_WORDS = frozenset((*_FUNCTIONS, "by", "on", "and", "or", "unless", "without", "Inf"))


@dataclass(frozen=True, slots=True)
class Selector:
    """One metric of an expression with the labels that its own braces name."""

    name: str
    labels: frozenset[str]


def selectors(expression: str) -> Iterator[Selector]:
    """Every metric that is named."""
    for name, braces in _SELECTOR.findall(expression):
        yield Selector(name, frozenset(_MATCHER.findall(_TEXT.sub('""', braces))))


def problems_of(expression: str, known: Mapping[str, frozenset[str]]) -> list[str]:
    """In words; none when it names only samples and labels of `known`, calls known functions, and its brackets close.

    Labels that are grouped by must be of every metric named.
    """
    found = list(selectors(expression))
    problems = [f"{one.name} is no metric" for one in found if one.name not in known]
    if problems or not found:
        return problems or ["no metric is named"]
    for one in found:
        missing = one.labels - known[one.name] - SCRAPE_LABELS
        problems += [f"{one.name} has no label {label}" for label in sorted(missing)]
    grouped = {label.strip() for labels in _GROUPING.findall(expression) for label in labels.split(",")}
    for label in sorted(grouped - SCRAPE_LABELS):
        problems += [f"{one.name} has no label {label}" for one in found if label not in known[one.name]]
    return problems + _form_problems(expression)


def _form_problems(expression: str) -> list[str]:
    bare = _TEXT.sub("", expression)
    opened: list[str] = []
    for sign in bare:
        if sign in "([{":
            opened.append(sign)
        elif sign in _CLOSING and (not opened or opened.pop() != _CLOSING[sign]):
            return [f"{sign} closes nothing"]
    if opened:
        return [f"{opened[-1]} is not closed"]
    left = _RANGE.sub("", _GROUPING.sub(" by ", _SELECTOR.sub(" ", bare)))
    return [f"{word} is not known" for word in _WORD.findall(left) if word not in _KNOWN_WORDS]
