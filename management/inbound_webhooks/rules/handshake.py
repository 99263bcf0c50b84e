"""A handshake rule of a webhook's own, beside those of its preset: its shape is checked with the other members."""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from management.inbound_webhooks.rules.problems import Problems, joined
from schemas.handshakes import HANDSHAKE_PLACEHOLDER_PATTERN

#: An answer may go to whoever asks, so that it must not be much larger than the question.
ANSWER_BYTES_MAX = 4_096
_PATH = "handshake"
_BODILESS = frozenset({"GET", "HEAD"})
_PLACEHOLDER = re.compile(HANDSHAKE_PLACEHOLDER_PATTERN)
#: What is meant for a placeholder: braces of JSON have quotes or blanks inside.
_MEANT = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*[.:][^{}\s\"]*\}")


def check_handshake(rule: Any, *, has_secret: bool, problems: Problems) -> None:
    """`rule` is a handshake member in shape, or null."""
    if not isinstance(rule, dict) or problems.at(_PATH):
        return
    bodiless = _BODILESS.issuperset(rule["methods"])
    for number, condition in enumerate(rule["when"]):
        path = joined(_PATH, "when", number)
        if bodiless and condition["source"].startswith("body."):
            problems.add(joined(path, "source"), f"source: a {' or '.join(rule['methods'])} request has no body")
        if condition.get("equals_token") and not has_secret:
            message = "equals_token: the token is made of the webhook's secret, and this scheme has none"
            problems.add(joined(path, "equals_token"), message)
    size = len(orjson.dumps(rule.get("json")))
    if size > ANSWER_BYTES_MAX:
        problems.add(joined(_PATH, "json"), f"json must have at most {ANSWER_BYTES_MAX:,} bytes, but has {size:,}")
    for path, text in _texts(rule):
        for found in _MEANT.findall(text):
            placeholder = _PLACEHOLDER.fullmatch(found)
            if placeholder is None:
                problems.add(path, f"{found} is no placeholder: {{query.NAME}}, {{header.NAME}} and {{body.NAME}} are")
            elif placeholder[1] and not has_secret:
                problems.add(path, f"{found} is made with the webhook's secret, and this scheme has none")


def _texts(rule: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text of the answer, with its path."""
    pending: list[tuple[str, Any]] = [(joined(_PATH, name), rule.get(name)) for name in ("json", "text")]
    while pending:
        path, value = pending.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            pending += [(joined(path, name), member) for name, member in value.items()]
        elif isinstance(value, list):
            pending += [(joined(path, number), item) for number, item in enumerate(value)]
