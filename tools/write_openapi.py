"""docs/openapi.json, made from the routes; `--check` writes nothing and says whether it is current."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fastapi import FastAPI
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from pydantic import SecretStr

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from infra.clickhouse import ClickHouse  # noqa: E402  # the repository's own, before any installed one
from infra.postgres import Pool  # noqa: E402
from infra.settings import ClickHouseSettings, Settings  # noqa: E402
from management.api import build_application  # noqa: E402
from management.resources import build_resources  # noqa: E402
from tools.made_file import write_or_check  # noqa: E402

DOCUMENT = ROOT / "docs" / "openapi.json"


def application() -> FastAPI:
    """The whole API over stores that are not there: its routes can be read, not called."""
    pool: Pool = ConnectionPool(open=False, kwargs={"row_factory": dict_row})
    clickhouse = ClickHouse(ClickHouseSettings(dsn=SecretStr("clickhouse://127.0.0.1:1/none")))
    settings = Settings(master_key=SecretStr("A" * 43))
    return build_application(build_resources(settings, pool, clickhouse).routes, [])


def document() -> str:
    """The document as text."""
    return json.dumps(application().openapi(), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Exit 0 when the file is written, or current, else 1."""
    return write_or_check(DOCUMENT, document(), what="the routes say", tool="write_openapi.py")


if __name__ == "__main__":
    sys.exit(main())
