"""What `hookline` itself does in Postgres beside migrations and seed: the services' login, and a lost API key."""

import secrets
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import psycopg

from hookline.seed import SeededTenant
from hookline.stack_folder import read_if_there, write_atomically
from infra.api_keys import hash_api_key, new_api_key, shown_part
from infra.postgres import unavailability_translated
from infra.queries import load_queries

SERVICE_LOGIN = "hookline_login"
_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_PASSWORD_BYTES = 32


def ensure_service_login(owner_dsn: str, password_file: Path) -> str:
    """A DSN for the services: a login that is a member of hookline_service and nothing more, as in production.

    Its password is made once and kept in `password_file` (mode 0600, libpq's format), which the DSN names. Raises
    PostgresUnavailableError.
    """
    kept = read_if_there(password_file)
    password = kept.rpartition(":")[2] if kept else secrets.token_urlsafe(_PASSWORD_BYTES)
    with unavailability_translated(), psycopg.connect(owner_dsn) as connection:
        connection.execute(_QUERIES["set_login_password"].encode(), {"password": password})
        connection.execute(_QUERIES["ensure_login"].encode())
    write_atomically(password_file, f"*:*:*:{SERVICE_LOGIN}:{password}\n")
    address = urlsplit(owner_dsn)
    server = f"{address.hostname}:{address.port}{address.path}"
    return f"postgresql://{SERVICE_LOGIN}@{server}?sslmode=disable&passfile={quote(str(password_file), safe='')}"


def ensure_api_key(owner_dsn: str, tenant: SeededTenant, key_file: Path) -> str:
    """The tenant's admin key, kept in `key_file` (mode 0600): the fresh one, the kept one, else one more.

    One more is made where the tenant is older than the file, since the database has only a hash of what it gave out.
    """
    key = tenant.admin_api_key or read_if_there(key_file)
    if key is None:
        key = new_api_key()
        parameters = {
            "tenant_id": tenant.tenant_id,
            "id": uuid4(),
            "name": "Administrator of a new data folder",
            "key_prefix": shown_part(key),
            "key_hash": hash_api_key(key),
            "user_id": tenant.ids["admin"],
        }
        with unavailability_translated(), psycopg.connect(owner_dsn) as connection:
            connection.execute(_QUERIES["issue_api_key"].encode(), parameters)
    write_atomically(key_file, key + "\n")
    return key
