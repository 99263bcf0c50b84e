-- name: shown_columns
id, name, is_default, is_active, default_priority_id, created_at, updated_at

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(is_active)s::boolean IS NULL OR is_active = %(is_active)s)
    AND position(lower(%(search)s) IN lower(name)) > 0

-- name: count
SELECT count(*) AS total
FROM boards
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM boards
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM boards
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM boards WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO boards (tenant_id, id, name, is_default, is_active, default_priority_id, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(is_default)s, %(is_active)s, %(default_priority_id)s, %(now)s, %(now)s)

-- name: update
UPDATE boards
SET name = %(name)s, is_default = %(is_default)s, is_active = %(is_active)s,
    default_priority_id = %(default_priority_id)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM boards WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: clear_default
UPDATE boards SET is_default = false, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND is_default AND id <> %(id)s
