"""What the pages of docs show: calls of the API, and requests that senders post to the webhooks made by them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from infra.jsonata import ENGINES, Limits
from infra.requests.mapping import FieldMapping
from tests.support.actions import builtin_registry

DOCS = Path(__file__).parents[2] / "docs"
PATIENT = Limits(timeout_seconds=10.0, depth_max=200, result_bytes_max=1_048_576)
_BLOCK = re.compile(r"(?P<paragraph>[^\n]+(?:\n[^\n]+)*)\n\n```json\n(?P<body>.*?)```", re.DOTALL)
_CALL = re.compile(r"`(?P<method>[A-Z]+) /api/v1(?P<path>\S+)` → (?P<status>\d{3})\Z")
_SLUG = re.compile(r"Sent to `([a-z-]+)`")
_OUTCOME = re.compile(r"\*\*(created|changed|unchanged)\*\*")
_ID_OF = re.compile(r"\{id of ([a-z-]+)\}")


@dataclass(slots=True)
class Call:
    """One call of the API and its answer, as far as the page shows it."""

    method: str
    path: str
    status: int
    body: str
    answer: str | None = None


@dataclass(slots=True)
class Sent:
    """One request to the webhook of `slug`, and the word that the page has for its outcome."""

    slug: str
    outcome: str
    body: str


def steps_of(page: str) -> list[Call | Sent]:
    """Calls and requests of a page, in their order. AssertionError for a block of JSON that is none of them.

    The paragraph before a block says what it is; a request goes where the one before it went unless it says where.
    """
    text, slug = (DOCS / page).read_text("utf-8"), ""
    steps: list[Call | Sent] = []
    for block in _BLOCK.finditer(text):
        paragraph, body = block["paragraph"], block["body"]
        call, outcome, to = _CALL.search(paragraph), _OUTCOME.search(paragraph), _SLUG.search(paragraph)
        if call is not None:
            steps.append(Call(call["method"], call["path"], int(call["status"]), body))
        elif paragraph == "answers" and isinstance(steps[-1], Call):
            steps[-1].answer = body
        else:
            assert outcome is not None, f"{page} does not say what comes of {body}"
            slug = slug if to is None else to[1]
            steps.append(Sent(slug, outcome[1], body))
    assert len(_BLOCK.findall(text)) == text.count("```json\n")
    return steps


def with_ids(body: str, id_of: Callable[[str], str]) -> Any:
    """A body whose `{id of NAME}` are the ids of what the page has made, or what was there before."""
    return orjson.loads(_ID_OF.sub(lambda found: id_of(found[1]), body))


def mapped_fields(handler: Mapping[str, Any], body: Any, engine: str = ENGINES[0]) -> dict[str, Any]:
    """The fields of a handler's mapping over a body, coerced as processors do. AssertionError when one does not fit."""
    mapping = FieldMapping(handler["field_mapping"], engine=engine, limits=PATIENT)
    mapped = orjson.loads(mapping.evaluate(orjson.dumps(body).decode(), None, now_ms=0, seed=0))
    coerced = builtin_registry()[handler["action"]].coercer.coerce(mapped)
    assert coerced.problems == []
    return coerced.fields
