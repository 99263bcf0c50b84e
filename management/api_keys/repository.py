"""API keys in Postgres. Only hashes are stored; the lookup shows the one row whose hash was presented."""

from pathlib import Path

from infra.postgres import Pool, Row, set_tenant, unavailability_translated
from infra.queries import load_queries


class ApiKeyRepository:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries(Path(__file__).parent / "queries.sql")

    def find(self, key_hash: bytes, source_ip: str) -> Row | None:
        """The key's row with its tenant and its user's permissions, whatever its state; a usable one is noted as used.

        One transaction: what is read of key, user and roles fits together.
        """
        with unavailability_translated(), self._pool.connection() as connection:
            connection.execute(self._queries["present_key_hash"].encode(), {"key_hash_hex": key_hash.hex()})
            key = connection.execute(self._queries["find_key"].encode(), {"key_hash": key_hash}).fetchone()
            if key is None or key["revoked_at"] is not None or key["is_expired"]:
                return key
            set_tenant(connection, key["tenant_id"])
            connection.execute(self._queries["note_key_use"].encode(), {**key, "source_ip": source_ip})
            holder = connection.execute(self._queries["read_holder"].encode(), key).fetchone()
            return None if holder is None else {**key, **holder}
