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
    t.slug AS tenant_slug, t.entitlements, t.inbound_webhooks_enabled, t.api_requests_per_minute,
    u.is_active AS user_is_active, coalesce(bool_or(r.is_admin), false) AS user_is_admin,
    coalesce(array_agg(DISTINCT p.permission) FILTER (WHERE p.permission IS NOT NULL), '{}') AS user_permissions
FROM tenants t
LEFT JOIN users u ON u.tenant_id = t.id AND u.id = %(user_id)s
LEFT JOIN user_roles ur ON ur.tenant_id = t.id AND ur.user_id = u.id
LEFT JOIN roles r ON r.tenant_id = t.id AND r.id = ur.role_id
LEFT JOIN LATERAL unnest(r.permissions) AS p (permission) ON true
WHERE t.id = %(tenant_id)s
GROUP BY t.id, u.tenant_id, u.id;

-- name: take_token
-- One row while there is a token, none when there is not; the row stays locked, so calls at the same time wait here.
INSERT INTO api_rate_buckets AS b (tenant_id, bucket, tokens, filled_at)
VALUES (%(tenant_id)s, 'api_key', %(limit)s - 1, clock_timestamp())
ON CONFLICT (tenant_id, bucket) DO UPDATE SET
    tokens = least(
        %(limit)s,
        b.tokens + greatest(0, extract(epoch FROM excluded.filled_at - b.filled_at)) * %(limit)s / 60
    ) - 1,
    filled_at = greatest(b.filled_at, excluded.filled_at)
WHERE least(
    %(limit)s,
    b.tokens + greatest(0, extract(epoch FROM excluded.filled_at - b.filled_at)) * %(limit)s / 60
) >= 1
RETURNING b.tokens;

-- name: read_tokens
SELECT tokens + greatest(0, extract(epoch FROM clock_timestamp() - filled_at)) * %(limit)s / 60 AS tokens
FROM api_rate_buckets
WHERE tenant_id = %(tenant_id)s AND bucket = 'api_key';

-- name: page_keys
WITH matching AS (
    SELECT k.id, k.created_at
    FROM api_keys k
    LEFT JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.user_id
    WHERE k.tenant_id = %(tenant_id)s
        AND (%(since)s::timestamptz IS NULL OR k.created_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR k.created_at < %(until)s)
        AND (
            %(active)s::boolean IS NULL OR %(active)s::boolean = (
                k.revoked_at IS NULL AND coalesce(k.expires_at > now(), true) AND coalesce(u.is_active, true)
            )
        )
)
SELECT
    (SELECT count(*) FROM matching) AS total,
    ARRAY(SELECT id FROM matching ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s) AS ids;

-- name: load_keys
SELECT
    k.id, k.name, k.key_prefix, k.permissions, k.user_id, u.username, u.full_name, k.last_used_at, k.last_used_from,
    k.created_by, k.created_at, k.expires_at, k.revoked_at,
    k.revoked_at IS NULL AND coalesce(k.expires_at > now(), true) AND coalesce(u.is_active, true) AS is_active
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS wanted (id, place)
JOIN api_keys k ON k.tenant_id = %(tenant_id)s AND k.id = wanted.id
LEFT JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.user_id
ORDER BY wanted.place;

-- name: count_living_keys
SELECT count(*) AS keys
FROM api_keys
WHERE tenant_id = %(tenant_id)s AND revoked_at IS NULL AND coalesce(expires_at > now(), true);

-- name: insert_key
INSERT INTO api_keys (tenant_id, id, name, key_prefix, key_hash, permissions, user_id, expires_at, created_by)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(key_prefix)s, %(key_hash)s, %(permissions)s, %(user_id)s, %(expires_at)s,
    %(created_by)s);

-- name: revoke_key
UPDATE api_keys SET revoked_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND revoked_at IS NULL
RETURNING revoked_at;
