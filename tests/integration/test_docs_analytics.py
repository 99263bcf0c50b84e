"""docs/analytics.md: each of the twenty questions is asked, and its answer held against the deliveries themselves."""

from __future__ import annotations

import random
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from sinks.clickhouse.rollups import Rollups
from tests.support.rollups import HOUR_US, MINUTE_US, SLA, Log, Made, assert_quantiles, count_all, make

PAGE = Path(__file__).parent.parent.parent / "docs" / "analytics.md"
QUESTION = re.compile(r"^### (\d+)\. .*?```sql\n(.*?)```", re.MULTILINE | re.DOTALL)
STATEMENTS = {int(number): sql for number, sql in QUESTION.findall(PAGE.read_text("utf-8"))}
DAYS, DELIVERIES = 4, 900


class Quantiles(NamedTuple):
    """Stands in an answer for quantiles of these values, in milliseconds."""

    values_us: list[int]
    levels: tuple[float, ...]


@dataclass(frozen=True)
class Asked:
    """The log that is asked, and the time asked for in microseconds."""

    log: Log
    since: int
    until: int

    def chosen(self, *traffic: str) -> list[Made]:
        return [
            one
            for one in self.log.made.values()
            if self.since <= one.received_at < self.until and one.traffic in traffic
        ]


@pytest.fixture(scope="module")
def asked(clickhouse_engine: ClickHouse) -> Asked:
    """Four days of three webhooks, one of which falls silent; also deliveries before and after the time asked for."""
    chance, until = random.Random(17), now_us() // HOUR_US * HOUR_US
    since = until - DAYS * 24 * HOUR_US
    webhooks = [str(uuid.uuid4()) for _ in range(3)]
    made: list[Made] = []
    for _ in range(DELIVERIES):
        silent_from = until - chance.choice((0, 0, 30)) * HOUR_US
        webhook_id = webhooks[2] if silent_from < until else chance.choice(webhooks[:2])
        received_at = chance.randrange(since - 2 * HOUR_US, silent_from)
        made.append(make(chance, webhook_id, received_at, made[:20]))
    made.append(make(chance, webhooks[0], until))
    log = Log(clickhouse_engine)
    log.requests(made)
    count_all(Rollups(clickhouse_engine, SLA))
    log.outcomes(made)
    count_all(Rollups(clickhouse_engine, SLA))
    return Asked(log, since, until)


def _day(at_us: int) -> date:
    return _time(at_us).date()


def _time(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC)


def _by(made: Iterable[Made], key: Callable[[Made], Any]) -> dict[Any, list[Made]]:
    groups: dict[Any, list[Made]] = defaultdict(list)
    for one in made:
        groups[key(one)].append(one)
    return groups


def _webhook(one: Made) -> uuid.UUID:
    return uuid.UUID(one.webhook_id)


def _with_status(made: Iterable[Made], status: str) -> int:
    return sum(one.status == status for one in made)


def _finished(made: Iterable[Made]) -> int:
    return sum(one.ended is not None for one in made)


def _totals(made: Iterable[Made]) -> list[int]:
    return sorted(one.ended.recorded_at - one.received_at for one in made if one.ended is not None)


def _processing(made: Iterable[Made]) -> list[int]:
    ended = [(one.received_at, one.ended) for one in made if one.ended is not None]
    return sorted((end.requested_at or end.recorded_at) - at for at, end in ended)


def _handling(made: Iterable[Made]) -> list[int]:
    ended = [one.ended for one in made if one.ended is not None]
    return sorted(end.recorded_at - end.requested_at for end in ended if end.requested_at is not None)


Rows = list[tuple[Any, ...]]


def _per_day(asked: Asked) -> Rows:
    statuses = ("dispatched", "duplicate", "filtered", "failed", "pending")
    days = _by(asked.chosen("live"), lambda one: _day(one.received_at))
    return [(day, len(made), *(_with_status(made, status) for status in statuses)) for day, made in days.items()]


def _failing(asked: Asked) -> Rows:
    rows = [
        (webhook, _with_status(made, "failed"), _finished(made))
        for webhook, made in _by(asked.chosen("live"), _webhook).items()
    ]
    return [(*row, row[1] / row[2]) for row in rows if row[2] >= 20]


def _codes(asked: Asked) -> Rows:
    failed = [one for one in asked.chosen("live") if one.status == "failed"]
    counted = Counter((_webhook(one), one.ended.code) for one in failed if one.ended)
    return [(*key, count) for key, count in counted.items()]


def _hours_of_day(asked: Asked) -> Rows:
    return list(Counter(_time(one.received_at).hour for one in asked.chosen("live")).items())


def _busiest(asked: Asked) -> Rows:
    minutes = Counter((_webhook(one), one.received_at // MINUTE_US) for one in asked.chosen("live"))
    return [
        (webhook, max(count for (other, _), count in minutes.items() if other == webhook))
        for webhook in {key[0] for key in minutes}
    ]


def _latencies(asked: Asked) -> Rows:
    groups = _by(asked.chosen("live"), _webhook)
    return [(webhook, Quantiles(_totals(made), (0.5, 0.95, 0.99))) for webhook, made in groups.items()]


def _stages(asked: Asked) -> Rows:
    days = _by(asked.chosen("live"), lambda one: _day(one.received_at))
    return [
        (
            day,
            Quantiles(sorted(one.ingress_us for one in made), (0.95,)),
            Quantiles(_processing(made), (0.95,)),
            Quantiles(_handling(made), (0.95,)),
        )
        for day, made in days.items()
    ]


def _addresses(asked: Asked) -> Rows:
    groups = _by(asked.chosen("live"), _webhook)
    return [(webhook, len({one.source_ip for one in made})) for webhook, made in groups.items()]


def _bytes(asked: Asked) -> Rows:
    rows: Rows = []
    for webhook, made in _by(asked.chosen("live", "test", "replay"), _webhook).items():
        sizes = [len(one.body) for one in made]
        rows.append((webhook, sum(sizes), sum(sizes) / len(sizes), max(sizes)))
    return rows


def _repeats(asked: Asked) -> Rows:
    groups = _by(asked.chosen("live"), _webhook)
    return [
        (webhook, _with_status(made, "duplicate"), _with_status(made, "duplicate") / len(made))
        for webhook, made in groups.items()
    ]


def _actions(asked: Asked) -> Rows:
    handled = [one for one in asked.chosen("live") if one.ended is not None and one.ended.action is not None]
    groups = _by(handled, lambda one: one.ended and one.ended.action)
    return [(action, len(made), _with_status(made, "failed")) for action, made in groups.items()]


def _waiting(asked: Asked) -> Rows:
    pending = [one for one in asked.chosen("live") if one.ended is None]
    return [
        (webhook, len(made), _time(min(one.received_at for one in made) // MINUTE_US * MINUTE_US))
        for webhook, made in _by(pending, _webhook).items()
    ]


def _silent(asked: Asked) -> Rows:
    rows = [
        (webhook, _time(max(one.received_at for one in made) // HOUR_US * HOUR_US), len(made))
        for webhook, made in _by(asked.chosen("live"), _webhook).items()
    ]
    return [row for row in rows if row[1] < _time(asked.until - 24 * HOUR_US)]


def _day_before(asked: Asked) -> Rows:
    days = sorted(Counter(_day(one.received_at) for one in asked.chosen("live")).items())
    before = [0, *(count for _, count in days)]
    return [(day, count, count - earlier) for (day, count), earlier in zip(days, before, strict=False)]


def _further_tries(asked: Asked) -> Rows:
    days = _by(asked.chosen("live"), lambda one: _day(one.received_at))
    return [(day, sum(one.ended.attempts - 1 for one in made if one.ended)) for day, made in days.items()]


def _traffic(asked: Asked) -> Rows:
    groups = _by(asked.chosen("live", "test", "replay"), lambda one: one.traffic)
    return [(traffic, len(made), _with_status(made, "failed")) for traffic, made in groups.items()]


def _software(asked: Asked) -> Rows:
    groups = _by(asked.chosen("live"), lambda one: one.user_agent)
    return [
        (agent, len(made), len({one.source_ip for one in made}), _with_status(made, "failed"))
        for agent, made in groups.items()
    ]


def _versions(asked: Asked) -> Rows:
    ended = [one for one in asked.chosen("live") if one.ended is not None]
    groups = _by(ended, lambda one: (_webhook(one), one.config_version))
    return [(*key, len(made), _with_status(made, "failed")) for key, made in groups.items()]


def _again(asked: Asked) -> Rows:
    repeated = [one for one in asked.chosen("live") if one.status == "duplicate"]
    groups = _by(repeated, lambda one: one.ended and one.ended.duplicate_of)
    return [(first, len(made), _time(max(one.received_at for one in made))) for first, made in groups.items()]


def _severities(asked: Asked) -> Rows:
    groups = _by(asked.chosen("live"), lambda one: orjson.loads(one.body)["severity"])
    return [
        (severity, sum(one.ended is not None and one.ended.action == "createTicket" for one in made), len(made))
        for severity, made in groups.items()
    ]


ANSWERS: Sequence[Callable[[Asked], Rows]] = (
    *(_per_day, _failing, _codes, _hours_of_day, _busiest, _latencies, _stages, _addresses, _bytes, _repeats),
    *(_actions, _waiting, _silent, _day_before, _further_tries, _traffic, _software, _versions, _again, _severities),
)


def test_the_page_has_twenty_questions() -> None:
    assert sorted(STATEMENTS) == list(range(1, len(ANSWERS) + 1)) == list(range(1, 21))


@pytest.mark.parametrize("number", range(1, 21))
def test_the_answer_is_that_of_the_deliveries_themselves(asked: Asked, number: int) -> None:
    times = {"since": asked.since // 1_000_000, "until": asked.until // 1_000_000}
    rows = asked.log.clickhouse.query(STATEMENTS[number], {"tenant_id": asked.log.tenant_id, **times})
    found = {str(list(row.values())[: _key_length(row)]): list(row.values()) for row in rows}
    expected = ANSWERS[number - 1](asked)
    assert expected, "the deliveries of this test have no answer to the question"
    assert len(found) == len(rows) == len(expected)
    for row in expected:
        _check_row(found[str(list(row[: _key_length(rows[0])]))], row)


def _key_length(row: dict[str, Any]) -> int:
    return 2 if {"code", "config_version"} & row.keys() else 1


def _check_row(found: Sequence[Any], expected: Sequence[Any]) -> None:
    for value, wanted in zip(found, expected, strict=True):
        if isinstance(wanted, Quantiles):
            values = value if isinstance(value, (list, tuple)) else [value]
            assert_quantiles([milliseconds * 1_000 for milliseconds in values], wanted.values_us, wanted.levels)
        elif isinstance(wanted, datetime):
            assert value.replace(tzinfo=UTC) == wanted
        else:
            assert value == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)
