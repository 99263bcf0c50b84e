"""A new master key for every webhook's secret and every erasure's value, while everything runs, and the old one's end.

Every step can be taken again, so a rotation that was broken off is gone on with by starting it once more. The key file
says where it stands: with one key in it a rotation begins, with more it is under way, the first of them the new one.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from pydantic import ValidationError

from hookline.errors import NotReadyError, UsageError, WorkFailedError
from infra.clock import MICROSECONDS, now_us
from infra.compacted import read_to_end
from infra.errors import SecretError
from infra.postgres import CONNECT_TIMEOUT_SECONDS, Connection, Row, set_tenant, unavailability_translated
from infra.queries import load_queries
from infra.secretbox import MasterKeyFile, SecretBox, erasure_context, key_id, key_id_of, new_key, webhook_context
from infra.settings import Settings
from infra.topics import CONFIGURATION
from management.configuration.records import enqueue_change
from schemas.webhooks import WebhookConfig

Say = Callable[[str], None]
#: A call that sealed something under the old key before the new one was there has long ended after this.
SETTLE_SECONDS = 60
_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_BATCH_SECRETS = 500
_PUBLISH_SECONDS_MAX = 120.0
_POLL_SECONDS = 0.2
_NAMED_MAX = 5


class _Kind(NamedTuple):
    """Something that is sealed: whose it is, and its statements."""

    owner: str
    page: str
    replace: str
    first: Mapping[str, Any]
    context: Callable[[str, str], str]


_FIRST = UUID(int=0)
_OF_WEBHOOKS = _Kind(
    *("webhook_id", "page_secrets", "replace_secret"),
    {"tenant_id": _FIRST, "webhook_id": _FIRST, "slot": ""},
    webhook_context,
)
_OF_ERASURES = _Kind(
    *("id", "page_erasure_values", "replace_erasure_value"), {"tenant_id": _FIRST, "id": _FIRST}, erasure_context
)
_KINDS = (_OF_WEBHOOKS, _OF_ERASURES)


def master_key_file(settings: Settings) -> MasterKeyFile:
    """The file whose keys are rotated. Raises UsageError when the key comes from somewhere else."""
    if settings.master_key is not None:
        raise UsageError("HOOKLINE_MASTER_KEY is set: put the key into a file and set HOOKLINE_MASTER_KEY_FILE instead")
    if settings.master_key_file is None:
        raise UsageError("HOOKLINE_MASTER_KEY_FILE is not set, and no stack runs on the data folder")
    return MasterKeyFile(settings.master_key_file)


def add_key(key_file: MasterKeyFile) -> str:
    """Put a fresh key in front, unless there is one whose rotation has not ended; the id of the first key."""
    keys = key_file.read()
    if len(keys) == 1:
        keys = [new_key(), *keys]
        key_file.write(keys)
    return key_id(keys[0])


def reseal(settings: Settings, key_file: MasterKeyFile, say: Say) -> int:
    """Seal every webhook's secrets under the first key and wait until they are published; how many were resealed.

    Raises WorkFailedError for secrets that none of the keys opens, NotReadyError when nothing publishes.
    """
    keys = key_file.read()
    box, resealed, unopened = SecretBox(keys), 0, []
    with _connected(settings) as connection:
        for kind in _KINDS:
            for page in _pages(connection, key_id(keys[0]), kind):
                for tenant_id, rows in groupby(page, itemgetter("tenant_id")):
                    done, failed = _reseal_batch(connection, box, tenant_id, list(rows), kind=kind)
                    resealed += done
                    unopened += failed
                say(f"{resealed} secrets resealed")
        _await_published(connection)
    if unopened:
        named = ", ".join(str(webhook_id) for webhook_id in unopened[:_NAMED_MAX])
        raise WorkFailedError(f"{len(unopened)} secrets are sealed under keys the file lacks, those of: {named}")
    return resealed


def drop_old_keys(settings: Settings, key_file: MasterKeyFile) -> int:
    """Take all keys but the first out of the file; how many went.

    Raises WorkFailedError, and changes nothing, while a secret in the tables or on the topic still needs one of them.
    """
    keys = key_file.read()
    if len(keys) == 1:
        return 0
    age_seconds = now_us() / MICROSECONDS - key_file.path.stat().st_mtime
    if age_seconds < SETTLE_SECONDS:
        raise WorkFailedError(f"the key is {age_seconds:.0f} s old: try again when it is {SETTLE_SECONDS} s old")
    current = key_id(keys[0])
    with _connected(settings) as connection:
        left = sum(len(page) for kind in _KINDS for page in _pages(connection, current, kind))
    if left:
        raise WorkFailedError(f"{left} secrets are sealed under an old key: run `hookline keys rotate-master` first")
    published = _published_under_others(settings, current)
    if published:
        named = ", ".join(published[:_NAMED_MAX])
        raise WorkFailedError(f"{len(published)} webhooks are still published with an old key: {named}")
    key_file.write(keys[:1])
    return len(keys) - 1


def _connected(settings: Settings) -> Connection:
    with unavailability_translated():
        return psycopg.connect(
            settings.postgres.dsn.get_secret_value(),
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
        )


def _pages(connection: Connection, current: str, kind: "_Kind") -> Iterator[list[Row]]:
    """Secrets of all tenants that are not sealed under `current`, some at a time, in the order of their tenants."""
    after = kind.first
    while True:
        parameters = {**after, "current": f"v1.{current}.", "limit": _BATCH_SECRETS}
        with unavailability_translated():
            connection.execute(_QUERIES["become_relay"].encode())
            page = connection.execute(_QUERIES[kind.page].encode(), parameters).fetchall()
        if not page:
            return
        yield page
        after = {name: page[-1][name] for name in after}


def _reseal_batch(
    connection: Connection, box: SecretBox, tenant_id: UUID, rows: Sequence[Row], *, kind: "_Kind"
) -> tuple[int, list[UUID]]:
    """One transaction: new ciphertexts where the old ones still stand, and that the webhooks are to be published.

    How many, and the webhooks (erasures) whose secrets do not open.
    """
    done, failed = 0, []
    with unavailability_translated(), connection.transaction():
        connection.execute(_QUERIES["become_service"].encode())
        set_tenant(connection, tenant_id)
        for row in rows:
            context = kind.context(str(tenant_id), str(row[kind.owner]))
            try:
                resealed = box.seal(box.open(row["sealed"], context=context), context=context)
            except SecretError:
                failed.append(row[kind.owner])
                continue
            done += connection.execute(_QUERIES[kind.replace].encode(), {**row, "resealed": resealed}).rowcount
            if kind is _OF_WEBHOOKS:
                enqueue_change(connection, tenant_id, row["webhook_id"])
    return done, failed


def _await_published(connection: Connection) -> None:
    """Return when nothing waits any more that waits now."""
    deadline = time.monotonic() + _PUBLISH_SECONDS_MAX
    with unavailability_translated():
        connection.execute(_QUERIES["become_relay"].encode())
        [last] = connection.execute(_QUERIES["last_change"].encode())
        while True:
            [waiting] = connection.execute(_QUERIES["count_changes"].encode(), last)
            if not waiting["changes"]:
                return
            if time.monotonic() > deadline:
                raise NotReadyError(f"{waiting['changes']} changes wait: run this again when management is ready")
            time.sleep(_POLL_SECONDS)


def _published_under_others(settings: Settings, current: str) -> list[str]:
    """Keys of records in force that hold a secret sealed under another key, or cannot be read."""
    others: set[str] = set()
    for message in read_to_end(settings.kafka, CONFIGURATION, client_id="hookline-keys"):
        key, value = (message.key() or b"").decode("utf-8", "replace"), message.value()
        if value is None or _is_under(value, current):
            others.discard(key)
        else:
            others.add(key)
    return sorted(others)


def _is_under(value: bytes, current: str) -> bool:
    try:
        secrets = WebhookConfig.model_validate_json(value).auth_config.secrets
    except ValidationError:
        return False
    return all(key_id_of(secret.sealed) == current for secret in secrets)
