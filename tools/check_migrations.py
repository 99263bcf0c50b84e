"""Migrations: numbered without gaps, named by verb and object, tenant first in every key, row-level security on."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENGINES = ("postgres", "clickhouse")
FILE_NAME = re.compile(r"^(?P<number>[0-9]{4})_[a-z]+(?:_[a-z0-9]+)+\.sql$")
TABLE = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(?P<name>[a-z_]+)\s*\((?P<body>.*?)\n\)(?P<rest>[^;]*)", re.S)
SECURED = re.compile(r"hookline_secure_table\('(?P<name>[a-z_]+)'")
#: The second: where rows of the installation have no tenant.
KEYS = ("PRIMARY KEY (tenant_id", "UNIQUE NULLS NOT DISTINCT (tenant_id")
#: The table of tenants itself: its key is the tenant.
WITHOUT_TENANT = {"tenants"}


def numbering_problems(engine: str, names: list[str]) -> Iterator[str]:
    """Files that break the pattern or the count."""
    for expected, name in enumerate(names, 1):
        match = FILE_NAME.match(name)
        if match is None:
            yield f"{engine}/{name}: not NNNN_verb_object.sql"
        elif int(match["number"]) != expected:
            yield f"{engine}/{name}: number {match['number']} where {expected:04} is next"


def postgres_problems(name: str, text: str) -> Iterator[str]:
    """Tables whose key does not start with the tenant, or that row-level security does not cover."""
    secured = {match["name"] for match in SECURED.finditer(text)}
    for table in TABLE.finditer(text):
        if table["name"] not in WITHOUT_TENANT and not any(key in table["body"] for key in KEYS):
            yield f"postgres/{name}: the key of {table['name']} does not start with tenant_id"
        if table["name"] not in secured:
            yield f"postgres/{name}: {table['name']} is not given to hookline_secure_table"


def clickhouse_problems(name: str, text: str) -> Iterator[str]:
    """Tables that would take a repeated insert twice."""
    for table in TABLE.finditer(text):
        if "non_replicated_deduplication_window" not in table["rest"]:
            yield f"clickhouse/{name}: {table['name']} sets no non_replicated_deduplication_window"


def main() -> int:
    """Exit 0 when all migrations keep the rules, else 1 with every breach."""
    problems: list[str] = []
    for engine in ENGINES:
        folder = ROOT / "migrations" / engine
        names = sorted(path.name for path in folder.glob("*.sql") if path.name != "queries.sql")
        problems += numbering_problems(engine, names)
        rules = postgres_problems if engine == "postgres" else clickhouse_problems
        for name in names:
            problems += rules(name, (folder / name).read_text("utf-8"))
    print("\n".join(problems) or "migrations: ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
