"""docs/retention.md is held to topics.yaml, to the tables' migrations and to the defaults."""

from __future__ import annotations

import re
from pathlib import Path

from infra.topics import load_topics
from schemas.retention import BODY_DAYS_DEFAULT, REJECTION_DAYS_DEFAULT, ROW_DAYS_DEFAULT

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "retention.md").read_text("utf-8")
MIGRATIONS = "\n".join(
    path.read_text("utf-8") for path in sorted((ROOT / "migrations" / "clickhouse").glob("[0-9]*.sql"))
)
_ROW = re.compile(r"^\| `([a-z_.0-9]+)` \| ([^|]+?) \|$", re.MULTILINE)
_DAY_SECONDS = 86_400


def rows() -> dict[str, str]:
    """What the page says of each topic and table."""
    return {name: kept.strip() for name, kept in _ROW.findall(PAGE)}


def test_every_topic_is_there_with_the_days_it_is_declared_with() -> None:
    declared = {
        name: "for ever" if topic.retention_seconds is None else str(topic.retention_seconds // _DAY_SECONDS)
        for name, topic in load_topics().items()
    }
    assert {name: kept for name, kept in rows().items() if "." in name} == declared


def test_every_table_of_clickhouse_is_there_with_its_own_expiry() -> None:
    tables = set(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", MIGRATIONS))
    said = {name: kept for name, kept in rows().items() if "." not in name}
    assert set(said) == tables
    for name, kept in said.items():
        own = [
            days
            for statement in re.findall(
                rf"(?:CREATE TABLE IF NOT EXISTS|ALTER TABLE) {name}\n.*?(?=\n--|\nCREATE|\nALTER|\Z)",
                MIGRATIONS,
                re.DOTALL,
            )
            for days in re.findall(
                r"^(?:TTL|    MODIFY TTL) [^,]*?INTERVAL (\d+) DAY|MODIFY TTL .*?INTERVAL (\d+) DAY",
                statement,
                re.MULTILINE,
            )
        ]
        last = next((first or second for first, second in reversed(own)), None)
        assert kept.startswith("for ever" if last is None else f"{last} days"), name


def test_the_defaults_are_said_and_are_those_of_the_tables() -> None:
    assert f"| a body, whole | {BODY_DAYS_DEFAULT} days |" in PAGE
    assert f"everything else | {ROW_DAYS_DEFAULT} days |" in PAGE
    assert f"| a rejection | {REJECTION_DAYS_DEFAULT} days |" in PAGE
    for column, days in (
        ("body_expires_at", BODY_DAYS_DEFAULT),
        ("row_expires_at", ROW_DAYS_DEFAULT),
        ("expires_at", REJECTION_DAYS_DEFAULT),
    ):
        assert re.search(rf"ifNull\({column}, toDateTime\(\w+\) \+ INTERVAL {days} DAY\)", MIGRATIONS)
