-- name: present_key_hash
SELECT set_config('hookline.presented_key_hash', %(key_hash_hex)s, true);

-- name: find_key
SELECT tenant_id, id, name, key_hash, permissions, user_id, revoked_at, expires_at <= now() AS is_expired
FROM api_keys
WHERE key_hash = %(key_hash)s;

-- name: note_key_use
UPDATE api_keys SET last_used_at = now(), last_used_from = %(source_ip)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
    AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');

-- name: read_holder
SELECT
    t.slug AS tenant_slug, t.entitlements, t.inbound_webhooks_enabled, u.is_active AS user_is_active,
    coalesce(bool_or(r.is_admin), false) AS user_is_admin,
    coalesce(array_agg(DISTINCT p.permission) FILTER (WHERE p.permission IS NOT NULL), '{}') AS user_permissions
FROM tenants t
LEFT JOIN users u ON u.tenant_id = t.id AND u.id = %(user_id)s
LEFT JOIN user_roles ur ON ur.tenant_id = t.id AND ur.user_id = u.id
LEFT JOIN roles r ON r.tenant_id = t.id AND r.id = ur.role_id
LEFT JOIN LATERAL unnest(r.permissions) AS p (permission) ON true
WHERE t.id = %(tenant_id)s
GROUP BY t.id, u.tenant_id, u.id;
