-- name: shown_columns
id, project_id, name, position, is_closed, is_active, created_at, updated_at

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(project_id)s::uuid IS NULL OR project_id = %(project_id)s)
    AND (%(is_closed)s::boolean IS NULL OR is_closed = %(is_closed)s)
    AND (%(is_active)s::boolean IS NULL OR is_active = %(is_active)s)
    AND position(lower(%(search)s) IN lower(name)) > 0

-- name: count
SELECT count(*) AS total
FROM project_statuses
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM project_statuses
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM project_statuses
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM project_statuses WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO project_statuses (tenant_id, id, project_id, name, position, is_closed, is_active, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(project_id)s, %(name)s, %(position)s, %(is_closed)s, %(is_active)s, %(now)s, %(now)s)

-- name: update
UPDATE project_statuses
SET name = %(name)s, position = %(position)s, is_closed = %(is_closed)s, is_active = %(is_active)s,
    updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM project_statuses WHERE tenant_id = %(tenant_id)s AND id = %(id)s
