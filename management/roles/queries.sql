-- name: lock_rights
SELECT id FROM roles WHERE tenant_id = %(tenant_id)s AND is_admin FOR UPDATE;

-- name: count_roles
SELECT count(*) AS total FROM roles
WHERE tenant_id = %(tenant_id)s
    AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (position(lower(%(search)s) IN lower(name)) > 0 OR position(lower(%(search)s) IN lower(description)) > 0);

-- name: list_roles
SELECT
    r.id, r.name, r.description, r.is_admin, r.permissions, r.created_at, r.updated_at,
    (SELECT count(*) FROM user_roles ur WHERE ur.tenant_id = r.tenant_id AND ur.role_id = r.id) AS user_count
FROM roles r
WHERE r.tenant_id = %(tenant_id)s
    AND (%(since)s::timestamptz IS NULL OR r.created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR r.created_at < %(until)s)
    AND (position(lower(%(search)s) IN lower(r.name)) > 0 OR position(lower(%(search)s) IN lower(r.description)) > 0)
ORDER BY r.created_at DESC, r.id DESC
LIMIT %(limit)s OFFSET %(offset)s;

-- name: get_role
SELECT
    r.id, r.name, r.description, r.is_admin, r.permissions, r.created_at, r.updated_at,
    (SELECT count(*) FROM user_roles ur WHERE ur.tenant_id = r.tenant_id AND ur.role_id = r.id) AS user_count
FROM roles r
WHERE r.tenant_id = %(tenant_id)s AND r.id = %(id)s;

-- name: insert_role
INSERT INTO roles (tenant_id, id, name, description, permissions)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(description)s, %(permissions)s);

-- name: update_role
UPDATE roles
SET name = %(name)s, description = %(description)s, permissions = %(permissions)s, updated_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(id)s;

-- name: delete_role
DELETE FROM roles WHERE tenant_id = %(tenant_id)s AND id = %(id)s;
