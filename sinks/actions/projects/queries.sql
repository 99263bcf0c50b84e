-- name: first_phases
SELECT DISTINCT ON (project_id) project_id, id
FROM project_phases
WHERE tenant_id = %(tenant_id)s AND project_id = ANY(%(project_ids)s) AND is_active
ORDER BY project_id, position, id

-- name: first_statuses
SELECT DISTINCT ON (scope_id, is_closed) project_id, id, is_closed
FROM project_statuses
WHERE tenant_id = %(tenant_id)s AND (project_id = ANY(%(project_ids)s) OR project_id IS NULL) AND is_active
ORDER BY scope_id, is_closed, position, id

-- name: lock_tasks
SELECT id, project_id, phase_id, status_id, status_scope_id, is_closed, task_name, description, assigned_to,
    estimated_hours, due_date, priority_id, task_type_key, service_id, webhook_id, delivery_id, created_at, updated_at,
    completed_at
FROM project_tasks
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
ORDER BY id
FOR NO KEY UPDATE

-- name: insert_tasks
INSERT INTO project_tasks
    (tenant_id, id, project_id, phase_id, status_id, status_scope_id, is_closed, task_name, description, assigned_to,
    estimated_hours, due_date, priority_id, task_type_key, service_id, webhook_id, delivery_id, created_at, updated_at,
    completed_at)
SELECT %(tenant_id)s, t.id, t.project_id, t.phase_id, t.status_id, t.status_scope_id, t.is_closed, t.task_name,
    t.description, t.assigned_to, t.estimated_hours, t.due_date, t.priority_id, t.task_type_key, t.service_id,
    t.webhook_id, t.delivery_id, t.created_at, t.updated_at, t.completed_at
FROM json_to_recordset(%(rows)s::json) AS t (
    id uuid, project_id uuid, phase_id uuid, status_id uuid, status_scope_id uuid, is_closed boolean, task_name text,
    description text, assigned_to uuid, estimated_hours double precision, due_date timestamptz, priority_id uuid,
    task_type_key text, service_id uuid, webhook_id uuid, delivery_id uuid, created_at timestamptz,
    updated_at timestamptz, completed_at timestamptz
)

-- name: update_tasks
UPDATE project_tasks AS t
SET project_id = r.project_id, phase_id = r.phase_id, status_id = r.status_id, status_scope_id = r.status_scope_id,
    is_closed = r.is_closed, task_name = r.task_name, description = r.description, assigned_to = r.assigned_to,
    estimated_hours = r.estimated_hours, due_date = r.due_date, priority_id = r.priority_id,
    task_type_key = r.task_type_key, service_id = r.service_id, updated_at = r.updated_at,
    completed_at = r.completed_at
FROM json_to_recordset(%(rows)s::json) AS r (
    id uuid, project_id uuid, phase_id uuid, status_id uuid, status_scope_id uuid, is_closed boolean, task_name text,
    description text, assigned_to uuid, estimated_hours double precision, due_date timestamptz, priority_id uuid,
    task_type_key text, service_id uuid, updated_at timestamptz, completed_at timestamptz
)
WHERE t.tenant_id = %(tenant_id)s AND t.id = r.id
