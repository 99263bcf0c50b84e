"""What the demonstration sends, and in which order. Pure: the same seed and time give the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from hookline.demo.alerts import SHAPES, draw_alert, encode

REQUESTS = 1_000
_REPEATS = 100
_WRONG_SIGNATURES = 10
_UNMAPPABLE = 10
_NOT_A_NUMBER = "n/a"


class Kind(StrEnum):
    """Why a request is sent; every kind has its own answer and its own end."""

    NEW = "new alerts"
    REPEAT = "repeats"
    UNMAPPABLE = "not mappable"
    WRONG_SIGNATURE = "wrong signature"


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A body to send. `alert_id` is what its ticket would be known by."""

    kind: Kind
    body: bytes
    alert_id: str


def build_plan(seed: int, at_seconds: int) -> list[PlannedRequest]:
    """All requests in sending order: 10 % repeats, 1 % wrongly signed, 1 % that no mapping can make sense of.

    A repeat is the same bytes as a new alert that stands before it.
    """
    source = Random(seed)  # noqa: S311 - made-up alerts
    new = _draw(source, at_seconds, Kind.NEW, REQUESTS - _REPEATS - _WRONG_SIGNATURES - _UNMAPPABLE)
    others = _draw(source, at_seconds, Kind.WRONG_SIGNATURE, _WRONG_SIGNATURES)
    others += _draw(source, at_seconds, Kind.UNMAPPABLE, _UNMAPPABLE)
    plan: list[PlannedRequest] = list(new)
    for request in others:
        plan.insert(source.randrange(len(plan) + 1), request)
    for original in source.sample(new, _REPEATS):
        repeat = PlannedRequest(Kind.REPEAT, original.body, original.alert_id)
        plan.insert(source.randrange(plan.index(original) + 1, len(plan) + 1), repeat)
    return plan


def expected_tickets(plan: Sequence[PlannedRequest]) -> frozenset[str]:
    """The alerts that must each have exactly one ticket."""
    return frozenset(request.alert_id for request in plan if request.kind is Kind.NEW)


def _draw(source: Random, at_seconds: int, kind: Kind, count: int) -> list[PlannedRequest]:
    shapes = list(SHAPES.values())
    requests = []
    for position in range(count):
        alert = draw_alert(source, at_seconds - source.randrange(600))
        if kind is Kind.UNMAPPABLE:
            alert = alert._replace(value=_NOT_A_NUMBER)
        body = encode(shapes[position % len(shapes)](alert, source))
        requests.append(PlannedRequest(kind, body, alert.id))
    return requests
