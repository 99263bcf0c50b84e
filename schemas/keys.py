"""Record keys: 16-byte hashes of parts, each preceded by its length (4 bytes, big endian).

So ("ab", "c") and ("a", "bc") never collide.
"""

from functools import lru_cache
from hashlib import blake2b

KEY_BYTES = 16


def request_key(tenant_id: str, webhook_id: str, source_key: str) -> bytes:
    """Key of a request record and of its dedupe entry.

    `source_key` is the dedupe key (or, for a record only, the ordering key; without either, the delivery id).
    """
    part = source_key.encode("utf-8", "surrogatepass")
    return blake2b(_scope(tenant_id, webhook_id) + _prefixed(part), digest_size=KEY_BYTES).digest()


def replay_key(tenant_id: str, webhook_id: str, dedupe_key: str, replay_id: str) -> bytes:
    """Key of the dedupe entry of a request that one replay runs again, whatever had run before."""
    part = dedupe_key.encode("utf-8", "surrogatepass")
    whole = _scope(tenant_id, webhook_id) + _prefixed(part) + _prefixed(replay_id.encode())
    return blake2b(whole, digest_size=KEY_BYTES).digest()


def entity_key(tenant_id: str, namespace_id: str, external_id: str) -> bytes:
    """Key of an action record without an ordering key: one external id of one namespace keeps its order."""
    return request_key(tenant_id, namespace_id, external_id)


def _prefixed(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part


@lru_cache(maxsize=65_536)
def _scope(tenant_id: str, webhook_id: str) -> bytes:
    return _prefixed(tenant_id.encode()) + _prefixed(webhook_id.encode())
