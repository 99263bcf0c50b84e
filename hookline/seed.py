"""The demo tenant: rows that a first ticket needs, with the same ids on every machine, and no fixed password."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid5

import psycopg

from infra.postgres import unavailability_translated
from infra.queries import load_queries
from schemas.webhooks import WebhookConfig

_QUERIES = load_queries(Path(__file__).parent / "seed.sql")
_NAMESPACE = UUID("0d6c3f0e-8c55-5e0b-9a35-4f1c0b1f6d11")
_ORDER = (
    "insert_roles",
    "insert_people",
    "give_roles",
    "insert_team",
    "insert_priorities",
    "insert_board",
    "insert_statuses",
    "insert_category",
    "insert_client",
    "insert_location",
    "insert_contact",
    "insert_asset",
    "insert_api_key",
)
_ROWS = (
    *("admin", "technician", "team", "low", "medium", "high", "critical", "board", "new", "in_progress", "waiting"),
    *(
        "resolved",
        "closed",
        "category",
        "subcategory",
        "client",
        "location",
        "contact",
        "asset",
        "api_key",
        "admin_role",
    ),
)
API_KEY_PREFIX = "ixk_"
API_KEY_SHOWN_CHARACTERS = 8
_API_KEY_RANDOM_BYTES = 32

DEMO_SLUG = "demo"
DEMO_TENANT_ID = uuid5(_NAMESPACE, "tenant")


@dataclass(frozen=True, slots=True)
class SeededTenant:
    """`ids` by row name (`client`, `board`, `new`, …). `admin_api_key` is the plain key, only when it was just made."""

    tenant_id: UUID
    slug: str
    ids: Mapping[str, UUID]
    admin_api_key: str | None = field(repr=False)


def hash_api_key(key: str) -> bytes:
    """What is stored of an API key: it is 256 random bits, so one round of SHA-256 is enough."""
    return sha256(key.encode()).digest()


def seed_demo(dsn: str) -> SeededTenant:
    """Make the tenant `demo` unless it is there; `dsn` is the owner's, who is above row-level security.

    Raises PostgresUnavailableError. Two processes at once: one makes it, the other finds it.
    """
    ids = {name: uuid5(_NAMESPACE, name) for name in _ROWS}
    key = API_KEY_PREFIX + secrets.token_urlsafe(_API_KEY_RANDOM_BYTES)
    parameters = ids | {
        "tenant_id": DEMO_TENANT_ID,
        "key_prefix": key[:API_KEY_SHOWN_CHARACTERS],
        "key_hash": hash_api_key(key),
    }
    with unavailability_translated(), psycopg.connect(dsn) as connection:
        made = connection.execute(_QUERIES["insert_tenant"].encode(), parameters).rowcount == 1
        for name in _ORDER if made else ():
            connection.execute(_QUERIES[name].encode(), parameters)
    return SeededTenant(DEMO_TENANT_ID, DEMO_SLUG, ids, key if made else None)


def register_webhook(dsn: str, config: WebhookConfig) -> None:
    """Make or update the webhook's row, which its external ids hang on; `dsn` is the owner's."""
    parameters = {
        "tenant_id": config.tenant_id,
        "webhook_id": config.webhook_id,
        "slug": config.slug,
        "name": config.name,
        "version": config.version,
    }
    with unavailability_translated(), psycopg.connect(dsn) as connection:
        connection.execute(_QUERIES["register_webhook"].encode(), parameters)
