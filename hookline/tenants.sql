-- name: become_relay
SET LOCAL ROLE hookline_relay

-- name: become_owner
RESET ROLE

-- name: list_tenants
SELECT id, slug, name, entitlements, inbound_webhooks_enabled, api_requests_per_minute, created_at
FROM tenants
ORDER BY slug

-- name: find_tenant
SELECT id FROM tenants WHERE slug = %(slug)s

-- name: lock_tenant
SELECT id, slug, name, entitlements, inbound_webhooks_enabled, api_requests_per_minute
FROM tenants WHERE id = %(id)s FOR UPDATE

-- name: insert_tenant
INSERT INTO tenants (id, slug, name) VALUES (%(tenant_id)s, %(slug)s, %(name)s)

-- name: insert_admin_role
INSERT INTO roles (tenant_id, id, name, description, is_admin)
VALUES (%(tenant_id)s, %(role_id)s, 'admin', 'Everything', true)

-- name: insert_admin
INSERT INTO users (tenant_id, id, email, username, password_hash, password_changed_at)
VALUES (%(tenant_id)s, %(user_id)s, %(email)s, 'admin', %(password_hash)s, now())

-- name: give_admin_role
INSERT INTO user_roles (tenant_id, user_id, role_id) VALUES (%(tenant_id)s, %(user_id)s, %(role_id)s)

-- name: update_tenant
UPDATE tenants
SET slug = %(slug)s, entitlements = %(entitlements)s, inbound_webhooks_enabled = %(inbound_webhooks_enabled)s,
    api_requests_per_minute = %(api_requests_per_minute)s, updated_at = now()
WHERE id = %(id)s

-- name: set_password
UPDATE users SET password_hash = %(password_hash)s, password_changed_at = now(), updated_at = now()
WHERE tenant_id = %(tenant_id)s AND lower(email) = lower(%(email)s)
RETURNING id

-- name: end_sessions
DELETE FROM sessions WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s

-- name: lift_block
DELETE FROM sign_in_failures WHERE tenant_id = %(tenant_id)s AND subject = %(subject)s

-- name: set_first_password
UPDATE users SET password_hash = %(password_hash)s, password_changed_at = now(), updated_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(user_id)s AND password_hash IS NULL

-- name: has_password
SELECT password_hash IS NOT NULL AS has_password FROM users WHERE tenant_id = %(tenant_id)s AND id = %(user_id)s
