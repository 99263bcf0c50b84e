-- name: present_key_hash
SELECT set_config('hookline.presented_key_hash', %(key_hash_hex)s, true);

-- name: find_key
SELECT tenant_id, id, key_hash, role, revoked_at FROM api_keys WHERE key_hash = %(key_hash)s;

-- name: note_key_use
UPDATE api_keys SET last_used_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
    AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');
