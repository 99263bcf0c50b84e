-- name: present_tenant_slug
SELECT set_config('hookline.presented_tenant_slug', %(slug)s, true);

-- name: find_tenant
SELECT id FROM tenants WHERE slug = %(slug)s;

-- name: find_user
SELECT id, email, username, is_active, password_hash FROM users
WHERE tenant_id = %(tenant_id)s AND lower(email) = lower(%(email)s);

-- name: lock_user
SELECT is_active, password_hash FROM users WHERE tenant_id = %(tenant_id)s AND id = %(user_id)s FOR UPDATE;

-- name: note_sign_in
UPDATE users SET last_login_at = now(), password_hash = coalesce(%(new_hash)s, password_hash)
WHERE tenant_id = %(tenant_id)s AND id = %(user_id)s;

-- name: insert_session
INSERT INTO sessions (tenant_id, id, user_id, token_hash, expires_at, source_ip, user_agent)
VALUES (%(tenant_id)s, %(id)s, %(user_id)s, %(token_hash)s, now() + make_interval(secs => %(lifetime_seconds)s),
    %(source_ip)s, %(user_agent)s);

-- name: delete_presented_session
DELETE FROM sessions
WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s AND token_hash = %(presented_hash)s;

-- name: trim_sessions
DELETE FROM sessions
WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s
    AND (
        expires_at <= now() OR last_seen_at <= now() - make_interval(secs => %(idle_seconds)s)
        OR id NOT IN (
            SELECT id FROM sessions
            WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s
            ORDER BY (id = %(id)s) DESC, last_seen_at DESC
            LIMIT %(sessions_max)s
        )
    );

-- name: present_session_hash
SELECT set_config('hookline.presented_session_hash', %(token_hash_hex)s, true);

-- name: find_session
SELECT tenant_id, id, user_id, token_hash FROM sessions
WHERE token_hash = %(token_hash)s
    AND expires_at > now() AND last_seen_at > now() - make_interval(secs => %(idle_seconds)s);

-- name: note_session_use
UPDATE sessions SET last_seen_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND last_seen_at < now() - make_interval(secs => %(granularity_seconds)s);

-- name: read_session
SELECT
    s.id, s.created_at, s.last_seen_at, s.expires_at, t.id AS tenant_id, t.slug AS tenant_slug, t.name AS tenant_name,
    t.entitlements, t.inbound_webhooks_enabled, u.id AS user_id, u.email, u.username, u.full_name, u.time_zone,
    u.is_active, coalesce(bool_or(r.is_admin), false) AS is_admin,
    coalesce(array_agg(DISTINCT p.permission) FILTER (WHERE p.permission IS NOT NULL), '{}') AS permissions
FROM sessions s
JOIN tenants t ON t.id = s.tenant_id
JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
LEFT JOIN user_roles ur ON ur.tenant_id = u.tenant_id AND ur.user_id = u.id
LEFT JOIN roles r ON r.tenant_id = ur.tenant_id AND r.id = ur.role_id
LEFT JOIN LATERAL unnest(r.permissions) AS p (permission) ON true
WHERE s.tenant_id = %(tenant_id)s AND s.id = %(id)s
GROUP BY s.tenant_id, s.id, t.id, u.tenant_id, u.id;

-- name: where_open
AND expires_at > now() AND last_seen_at > now() - make_interval(secs => %(idle_seconds)s)
    AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s);

-- name: count_sessions
SELECT count(*) AS total FROM sessions
WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s
    /*where_open*/;

-- name: list_sessions
SELECT id, created_at, last_seen_at, expires_at, source_ip, user_agent FROM sessions
WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s
    /*where_open*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s;

-- name: delete_session
DELETE FROM sessions WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s AND id = %(id)s;

-- name: count_attempt
-- One row when the attempt is counted, `blocked` when it was one too many; none while the subject is blocked.
INSERT INTO sign_in_failures AS f (tenant_id, subject, failures, window_started_at)
VALUES (%(tenant_id)s, %(subject)s, 1, now())
ON CONFLICT (tenant_id, subject) DO UPDATE SET
    failures = CASE
        WHEN f.blocked_until IS NOT NULL OR f.window_started_at <= now() - make_interval(secs => %(window_seconds)s) THEN 1
        ELSE f.failures + 1
    END,
    window_started_at = CASE
        WHEN f.blocked_until IS NOT NULL OR f.window_started_at <= now() - make_interval(secs => %(window_seconds)s)
            THEN now()
        ELSE f.window_started_at
    END,
    blocked_until = CASE
        WHEN f.blocked_until IS NULL AND f.window_started_at > now() - make_interval(secs => %(window_seconds)s)
            AND f.failures >= %(failures_max)s
            THEN now() + make_interval(secs => %(block_seconds)s)
    END
WHERE f.blocked_until IS NULL OR f.blocked_until <= now()
RETURNING blocked_until IS NOT NULL AS blocked;

-- name: read_block
SELECT greatest(1, ceil(extract(epoch FROM blocked_until - now())))::integer AS seconds FROM sign_in_failures
WHERE tenant_id = %(tenant_id)s AND subject = %(subject)s;

-- name: take_back_attempt
UPDATE sign_in_failures SET failures = greatest(0, failures - 1)
WHERE tenant_id = %(tenant_id)s AND subject = %(subject)s;

-- name: forget_subject
DELETE FROM sign_in_failures WHERE tenant_id = %(tenant_id)s AND subject = %(subject)s;

-- name: forget_old_subjects
DELETE FROM sign_in_failures WHERE (tenant_id, subject) IN (
    SELECT tenant_id, subject FROM sign_in_failures
    WHERE tenant_id = %(tenant_id)s
        AND window_started_at < now() - make_interval(secs => %(window_seconds)s + %(block_seconds)s)
    ORDER BY window_started_at
    LIMIT 20
    FOR UPDATE SKIP LOCKED
);
