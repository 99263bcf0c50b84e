-- name: shown_columns
id, project_id, phase_id, status_id, is_closed, task_name, description, assigned_to, estimated_hours, due_date,
    priority_id, task_type_key, service_id, webhook_id, delivery_id, completed_at, created_at, updated_at

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(project_id)s::uuid IS NULL OR project_id = %(project_id)s)
    AND (%(phase_id)s::uuid IS NULL OR phase_id = %(phase_id)s)
    AND (%(status_id)s::uuid IS NULL OR status_id = %(status_id)s)
    AND (%(assigned_to)s::uuid IS NULL OR assigned_to = %(assigned_to)s)
    AND (%(is_closed)s::boolean IS NULL OR is_closed = %(is_closed)s)
    AND position(lower(%(search)s) IN lower(task_name)) > 0

-- name: count
SELECT count(*) AS total
FROM project_tasks
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM project_tasks
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM project_tasks
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM project_tasks WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO project_tasks
    (tenant_id, id, project_id, phase_id, status_id, status_scope_id, is_closed, task_name, description,
    assigned_to, estimated_hours, due_date, priority_id, task_type_key, service_id, completed_at, created_at,
    updated_at)
VALUES (
    %(tenant_id)s, %(id)s, %(project_id)s, %(phase_id)s, %(status_id)s,
    coalesce(
        (SELECT scope_id FROM project_statuses WHERE tenant_id = %(tenant_id)s AND id = %(status_id)s), %(project_id)s
    ),
    %(is_closed)s, %(task_name)s, %(description)s, %(assigned_to)s, %(estimated_hours)s, %(due_date)s,
    %(priority_id)s, %(task_type_key)s, %(service_id)s, %(completed_at)s, %(now)s, %(now)s
)

-- name: update
UPDATE project_tasks
SET phase_id = %(phase_id)s, status_id = %(status_id)s,
    status_scope_id = coalesce(
        (SELECT scope_id FROM project_statuses WHERE tenant_id = %(tenant_id)s AND id = %(status_id)s), %(project_id)s
    ),
    is_closed = %(is_closed)s, task_name = %(task_name)s, description = %(description)s,
    assigned_to = %(assigned_to)s, estimated_hours = %(estimated_hours)s, due_date = %(due_date)s,
    priority_id = %(priority_id)s, task_type_key = %(task_type_key)s, service_id = %(service_id)s,
    completed_at = %(completed_at)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM project_tasks WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: first_phase
SELECT id
FROM project_phases
WHERE tenant_id = %(tenant_id)s AND project_id = %(project_id)s AND is_active
ORDER BY position, id
LIMIT 1

-- name: first_status
-- Statuses of the project's own go before those of all projects, open ones before closed ones.
SELECT id, project_id AS parent_id, is_closed
FROM project_statuses
WHERE tenant_id = %(tenant_id)s AND (project_id = %(project_id)s OR project_id IS NULL) AND is_active
ORDER BY project_id NULLS LAST, is_closed, position, id
LIMIT 1
