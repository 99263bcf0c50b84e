-- name: shown_columns
id, client_id, name, description, is_active, created_at, updated_at

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(client_id)s::uuid IS NULL OR client_id = %(client_id)s)
    AND (%(is_active)s::boolean IS NULL OR is_active = %(is_active)s)
    AND position(lower(%(search)s) IN lower(name)) > 0

-- name: count
SELECT count(*) AS total
FROM projects
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM projects
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM projects
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM projects WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO projects (tenant_id, id, client_id, name, description, is_active, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(client_id)s, %(name)s, %(description)s, %(is_active)s, %(now)s, %(now)s)

-- name: update
UPDATE projects
SET client_id = %(client_id)s, name = %(name)s, description = %(description)s, is_active = %(is_active)s,
    updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM projects WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: find_task
SELECT id FROM project_tasks WHERE tenant_id = %(tenant_id)s AND project_id = %(id)s LIMIT 1
