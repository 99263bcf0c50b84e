"""API keys in Postgres. Only hashes are stored; the lookup shows the one row whose hash was presented."""

from pathlib import Path
from uuid import UUID

from infra.postgres import Pool, Row, set_tenant, unavailability_translated
from infra.queries import load_queries


class ApiKeyRepository:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries(Path(__file__).parent / "queries.sql")

    def find(self, key_hash: bytes) -> Row | None:
        """The key's row, revoked or not."""
        with unavailability_translated(), self._pool.connection() as connection:
            connection.execute(self._queries["present_key_hash"].encode(), {"key_hash_hex": key_hash.hex()})
            return connection.execute(self._queries["find_key"].encode(), {"key_hash": key_hash}).fetchone()

    def note_use(self, tenant_id: UUID, key_id: UUID) -> None:
        """Write `last_used_at`, at most once a minute."""
        with unavailability_translated(), self._pool.connection() as connection:
            set_tenant(connection, tenant_id)
            connection.execute(self._queries["note_key_use"].encode(), {"tenant_id": tenant_id, "id": key_id})
