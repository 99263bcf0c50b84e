-- name: page_users
WITH matching AS (
    SELECT id, created_at FROM users
    WHERE tenant_id = %(tenant_id)s
        AND (%(is_active)s::boolean IS NULL OR is_active = %(is_active)s)
        AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
        AND (
            position(lower(%(search)s) IN lower(email)) > 0 OR position(lower(%(search)s) IN lower(username)) > 0
            OR position(lower(%(search)s) IN lower(full_name)) > 0
        )
)
SELECT
    (SELECT count(*) FROM matching) AS total,
    ARRAY(SELECT id FROM matching ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s) AS ids;

-- name: load_users
SELECT
    u.id, u.email, u.username, u.full_name, u.time_zone, u.is_active, u.password_hash IS NOT NULL AS has_password,
    u.last_login_at, u.password_changed_at, u.created_at, u.updated_at,
    (
        SELECT coalesce(
            jsonb_agg(
                jsonb_build_object('id', r.id, 'name', r.name, 'is_admin', r.is_admin, 'permissions', r.permissions)
                ORDER BY lower(r.name)
            ),
            '[]'
        )
        FROM user_roles ur
        JOIN roles r ON r.tenant_id = ur.tenant_id AND r.id = ur.role_id
        WHERE ur.tenant_id = u.tenant_id AND ur.user_id = u.id
    ) AS roles
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS wanted (id, place)
JOIN users u ON u.tenant_id = %(tenant_id)s AND u.id = wanted.id
ORDER BY wanted.place;

-- name: find_roles
SELECT id, is_admin, permissions FROM roles WHERE tenant_id = %(tenant_id)s AND id = ANY(%(role_ids)s);

-- name: insert_user
INSERT INTO users (
    tenant_id, id, email, username, full_name, time_zone, is_active, password_hash, password_changed_at
)
VALUES (
    %(tenant_id)s, %(id)s, %(email)s, %(username)s, %(full_name)s, %(time_zone)s, %(is_active)s, %(password_hash)s,
    CASE WHEN %(password_hash)s::text IS NOT NULL THEN now() END
);

-- name: update_user
UPDATE users
SET email = %(email)s, username = %(username)s, full_name = %(full_name)s, time_zone = %(time_zone)s,
    is_active = %(is_active)s, updated_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(id)s;

-- name: delete_user
DELETE FROM users WHERE tenant_id = %(tenant_id)s AND id = %(id)s;

-- name: take_roles
DELETE FROM user_roles WHERE tenant_id = %(tenant_id)s AND user_id = %(id)s;

-- name: give_roles
INSERT INTO user_roles (tenant_id, user_id, role_id)
SELECT %(tenant_id)s, %(id)s, role_id FROM unnest(%(role_ids)s::uuid[]) AS given (role_id);

-- name: count_active_admins
SELECT count(*) AS admins
FROM users u
JOIN user_roles ur ON ur.tenant_id = u.tenant_id AND ur.user_id = u.id
JOIN roles r ON r.tenant_id = ur.tenant_id AND r.id = ur.role_id
WHERE u.tenant_id = %(tenant_id)s AND u.is_active AND r.is_admin;

-- name: end_sessions
DELETE FROM sessions
WHERE tenant_id = %(tenant_id)s AND user_id = %(id)s AND id IS DISTINCT FROM %(kept_session_id)s::uuid;

-- name: revoke_keys
UPDATE api_keys SET revoked_at = now() WHERE tenant_id = %(tenant_id)s AND user_id = %(id)s AND revoked_at IS NULL;

-- name: read_password_hash
SELECT email, username, password_hash FROM users WHERE tenant_id = %(tenant_id)s AND id = %(id)s;

-- name: set_password_hash
UPDATE users SET password_hash = %(password_hash)s, password_changed_at = now(), updated_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
    AND (%(old_hash)s::text IS NULL OR password_hash = %(old_hash)s);
