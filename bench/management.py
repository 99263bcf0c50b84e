"""The management API beside its floor, and how fast receivers have what it changed.

What is measured, on a role in a process of its own with real Postgres, Kafka and ClickHouse:
- `list`: a page of 100 of a tenant's 10,000 webhooks, asked for one after another; `floor_list` is /healthz of the same
  server, in turns with it.
- `saves_per_second`: changes of webhooks by several callers at once, each a transaction with its version, audit entry
  and outbox row.
- `seen`: from the answer to a change until a receiver answers senders by it.
- `loaded`: a receiver that starts with 100,000 webhooks in the topic (those above among them): seconds until it is
  ready, peak resident memory.

Run with `python -m bench.management [--listed N] [--loaded N]`; it starts servers of its own and prints JSON.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import psycopg

from bench.folders import own_folder
from hookline.demo.balance import percentile
from hookline.embedded.kafka import start_kafka
from hookline.embedded.postgres import start_postgres
from infra.clickhouse import ClickHouse
from infra.clickhouse import migrate as migrate_clickhouse
from infra.log import configure
from infra.migrations import migrate
from infra.settings import ClickHouseSettings
from management.role import ManagementRole
from tests.support.analytics import make_topics
from tests.support.ingress import RawConnection, publishing, running_ingress
from tests.support.management import API, KnownTenant, bearer, make_tenant, management_settings
from tests.support.many_webhooks import loaded_ingress, publish_many

LISTED, LOADED = 10_000, 100_000
LIST_CALLS = 300
SAVERS, SAVE_SECONDS, WEBHOOKS_PER_SAVER = 4, 6.0, 10
CHANGES = 100
_POLL_SECONDS = 0.002
_READY_POLL_SECONDS = 0.1
_SEEN_SECONDS_MAX = 30.0
_WARM_UP_CALLS = 20
_HOOKS = f"{API}/inbound-webhooks"
_FILL = b"""
INSERT INTO webhooks
    (tenant_id, id, slug, name, description, is_active, auth_type, auth_config, handler_config, priority)
SELECT %s, gen_random_uuid(), 'site-' || n, 'Alerts of site ' || n, 'This is number ' || n, n %% 3 > 0,
    'none', '{"acknowledge_unauthenticated": true}',
    jsonb_build_object('action', 'createTicket', 'field_mapping', jsonb_build_object(
        'title', 'alert.title', 'client_id', 'alert.client', 'description', repeat(md5(n::text), 60))), n %% 4
FROM generate_series(1, %s) n
"""
Json = dict[str, Any]


def measure(bootstrap: str, dsn: str, folder: Path, *, listed: int, loaded: int) -> Json:
    """Everything above; the tenant's calls are as good as unlimited."""
    migrate(dsn)
    tenant = make_tenant(dsn, "bench")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_FILL, (tenant.id, listed))
        connection.execute(b"ANALYZE webhooks")
    with _management(bootstrap, dsn, folder) as base_url:
        lists = _measure_lists(base_url, tenant, listed)
        saves = _measure_saves(base_url, tenant)
        with running_ingress(bootstrap) as ingress:
            seen = _measure_changes(base_url, tenant, ingress.port)
    with publishing(bootstrap) as publisher:
        publish_many(publisher, loaded - listed)
    with loaded_ingress(bootstrap) as (_, figures):
        load = {
            "webhooks": figures.webhooks,
            "seconds": round(figures.seconds, 2),
            "megabytes_peak": round(figures.bytes_peak / 1e6),
        }
    return {"listed": listed, **lists, "savers": SAVERS, "saves_per_second": saves, "seen": seen, "loaded": load}


@contextmanager
def _management(bootstrap: str, dsn: str, folder: Path) -> Iterator[str]:
    """A role in a process of its own that ends when its standard input does; its base URL."""
    command = [sys.executable, "-m", "bench.management", "--serve", bootstrap, dsn, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None  # noqa: S101 - asked for above
    assert process.stdout is not None  # noqa: S101
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait(30)


def _serve(bootstrap: str, dsn: str, folder: Path) -> None:
    configure(role="management", level="error")
    settings = management_settings(bootstrap, dsn, folder / "master.key")
    make_topics(settings)
    clickhouse = ClickHouse(ClickHouseSettings(path=folder / "clickhouse"))
    migrate_clickhouse(clickhouse)
    role = ManagementRole(settings, clickhouse, [])
    role.start()
    ready_url = f"http://127.0.0.1:{role.port}/readyz"
    while httpx.get(ready_url, trust_env=False).status_code != httpx.codes.OK:  # the relay too has done its start
        time.sleep(_READY_POLL_SECONDS)
    print(role.port, flush=True)
    sys.stdin.read()
    role.stop(10)
    clickhouse.close()


def _client(base_url: str, tenant: KnownTenant) -> httpx.Client:
    return httpx.Client(base_url=base_url, headers=bearer(tenant.admin_key), trust_env=False, timeout=60)


def _measure_lists(base_url: str, tenant: KnownTenant, listed: int) -> Json:
    lists, floor = [], []
    pages = Random(1)
    with _client(base_url, tenant) as client:
        for call in range(LIST_CALLS + _WARM_UP_CALLS):
            page = pages.randint(1, max(1, listed // 100))
            seconds = _seconds_of(client, _HOOKS, {"per_page": 100, "page": page})
            at_least = _seconds_of(client, "/healthz", {})
            if call >= _WARM_UP_CALLS:
                lists.append(seconds)
                floor.append(at_least)
    return {"list": _times(lists), "floor_list": _times(floor)}


def _seconds_of(client: httpx.Client, path: str, parameters: dict[str, int]) -> float:
    started = time.perf_counter()
    _accepted(client.get(path, params=parameters))
    return time.perf_counter() - started


def _measure_saves(base_url: str, tenant: KnownTenant) -> float:
    with _client(base_url, tenant) as client:
        slugs = [[f"saved-{saver}-{number}" for number in range(WEBHOOKS_PER_SAVER)] for saver in range(SAVERS)]
        ids = [[_create(client, slug) for slug in of_saver] for of_saver in slugs]
    until = time.monotonic() + SAVE_SECONDS

    def save(webhook_ids: Sequence[str]) -> int:
        done = 0
        with _client(base_url, tenant) as client:
            while time.monotonic() < until:
                _patch(client, webhook_ids[done % WEBHOOKS_PER_SAVER], {"description": f"Change {done}"})
                done += 1
        return done

    with ThreadPoolExecutor(SAVERS) as pool:
        return round(sum(pool.map(save, ids)) / SAVE_SECONDS, 1)


def _measure_changes(base_url: str, tenant: KnownTenant, port: int) -> Json:
    """The webhook is switched off and on; senders are refused or accepted by it."""
    raw = f"POST /api/inbound/{tenant.slug}/switched HTTP/1.1\r\nhost: bench\r\ncontent-length: 2\r\n\r\n{{}}".encode()
    waited = []
    with _client(base_url, tenant) as client, RawConnection(port) as sender:
        webhook_id = _create(client, "switched", rate_limit_per_minute=60_000)
        _await(sender, raw, 200)
        for change in range(CHANGES):
            is_active = change % 2 == 1
            _patch(client, webhook_id, {"is_active": is_active})
            started = time.perf_counter()
            _await(sender, raw, 200 if is_active else 401)
            waited.append(time.perf_counter() - started)
    return {"changes": CHANGES, **_times(waited)}


def _await(sender: RawConnection, raw: bytes, status: int) -> None:
    deadline = time.monotonic() + _SEEN_SECONDS_MAX
    while time.monotonic() < deadline:
        sender.send(raw)
        if sender.receive().status == status:
            return
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"the receiver does not answer {status} after {_SEEN_SECONDS_MAX:.0f} s")


def _create(client: httpx.Client, slug: str, **members: Any) -> str:
    body = {
        "name": slug,
        "slug": slug,
        "auth_type": "none",
        "auth_config": {"acknowledge_unauthenticated": True},
        "handler_type": "direct_action",
        "handler_config": {
            "action": "createTicket",
            "field_mapping": {"title": "alert.title", "client_id": "alert.client"},
        },
        **members,
    }
    made: str = _accepted(client.post(_HOOKS, json=body)).json()["id"]
    return made


def _patch(client: httpx.Client, webhook_id: str, changes: Json) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    _accepted(client.patch(f"{_HOOKS}/{webhook_id}", content=json.dumps(changes), headers=headers))


def _accepted(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise AssertionError(f"{answer.status_code}: {answer.text[:500]}")
    return answer


def _times(seconds: Sequence[float]) -> Json:
    milliseconds = [1_000 * one for one in seconds]
    return {
        "p50_milliseconds": round(percentile(milliseconds, 0.5), 2),
        "p99_milliseconds": round(percentile(milliseconds, 0.99), 2),
    }


def main() -> None:
    """Measure on servers of our own and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listed", type=int, default=LISTED)
    parser.add_argument("--loaded", type=int, default=LOADED)
    parser.add_argument("--serve", nargs=3, metavar=("BOOTSTRAP", "DSN", "FOLDER"))
    arguments = parser.parse_args()
    if arguments.serve is not None:
        bootstrap, dsn, folder = arguments.serve
        _serve(bootstrap, dsn, Path(folder))
        return
    with (
        own_folder("management") as base,
        start_kafka(base / "kafka") as kafka,
        start_postgres(base / "postgres") as postgres,
    ):
        result = measure(kafka.bootstrap, postgres.dsn, base, listed=arguments.listed, loaded=arguments.loaded)
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
