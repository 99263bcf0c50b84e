"""Record keys: 16-byte hashes over length-prefixed parts, so that ("ab", "c") and ("a", "bc") never collide."""

from hashlib import blake2b

KEY_BYTES = 16


def hash_parts(*parts: bytes) -> bytes:
    """Hash `parts` to 16 bytes; each part is preceded by its length (4 bytes, big endian)."""
    digest = blake2b(digest_size=KEY_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()


def request_key(tenant_id: str, webhook_id: str, source_key: str) -> bytes:
    """Key of a request record and of its dedupe entry.

    `source_key` is the dedupe key (or, for a record only, the ordering key; without either, the delivery id).
    """
    return hash_parts(tenant_id.encode(), webhook_id.encode(), source_key.encode("utf-8", "surrogatepass"))


def entity_key(tenant_id: str, namespace_id: str, external_id: str) -> bytes:
    """Key of an action record: one external id of one namespace keeps its order."""
    return hash_parts(tenant_id.encode(), namespace_id.encode(), external_id.encode("utf-8", "surrogatepass"))
