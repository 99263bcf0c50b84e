-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(is_active)s::boolean IS NULL OR is_active = %(is_active)s)
    AND position(lower(%(search)s) IN lower(name)) > 0

-- name: count
SELECT count(*) AS total
FROM teams
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT id, name, is_active, created_at, updated_at
FROM teams
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT id, name, is_active, created_at, updated_at
FROM teams
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM teams WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO teams (tenant_id, id, name, is_active, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(is_active)s, %(now)s, %(now)s)

-- name: update
UPDATE teams
SET name = %(name)s, is_active = %(is_active)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM teams WHERE tenant_id = %(tenant_id)s AND id = %(id)s
