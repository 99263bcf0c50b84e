-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(client_id)s::uuid IS NULL OR client_id = %(client_id)s)
    AND (%(is_active)s::boolean IS NULL OR is_active = %(is_active)s)
    AND position(lower(%(search)s) IN lower(name)) > 0

-- name: count
SELECT count(*) AS total
FROM client_locations
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT id, client_id, name, is_active, created_at, updated_at
FROM client_locations
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT id, client_id, name, is_active, created_at, updated_at
FROM client_locations
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM client_locations WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO client_locations (tenant_id, id, client_id, name, is_active, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(client_id)s, %(name)s, %(is_active)s, %(now)s, %(now)s)

-- name: update
UPDATE client_locations
SET name = %(name)s, is_active = %(is_active)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM client_locations WHERE tenant_id = %(tenant_id)s AND id = %(id)s
