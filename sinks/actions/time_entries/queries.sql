-- name: ticket
SELECT t.number::text AS wanted, t.id
FROM tickets AS t WHERE t.tenant_id = %(tenant_id)s AND t.number = ANY(%(names)s::text[]::bigint[])
UNION ALL
SELECT t.id::text, t.id
FROM tickets AS t WHERE t.tenant_id = %(tenant_id)s AND t.id = ANY(%(ids)s::uuid[])

-- name: project_task
SELECT t.id::text AS wanted, t.id
FROM project_tasks AS t WHERE t.tenant_id = %(tenant_id)s AND t.id = ANY(%(ids)s::uuid[])

-- name: non_billable_category
SELECT w.name AS wanted, c.id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN non_billable_categories AS c ON c.tenant_id = %(tenant_id)s AND lower(c.name) = lower(w.name) AND c.is_active
UNION ALL
SELECT c.id::text, c.id
FROM non_billable_categories AS c
WHERE c.tenant_id = %(tenant_id)s AND c.id = ANY(%(ids)s::uuid[]) AND c.is_active

-- name: interaction
SELECT i.id::text AS wanted, i.id
FROM interactions AS i WHERE i.tenant_id = %(tenant_id)s AND i.id = ANY(%(ids)s::uuid[])

-- name: read_time_zones
SELECT id, time_zone FROM users WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)

-- name: periods_of_days
SELECT d.day, p.id
FROM unnest(%(days)s::date[]) AS d (day)
JOIN time_periods AS p ON p.tenant_id = %(tenant_id)s AND daterange(p.start_date, p.end_date, '[]') @> d.day

-- name: share_sheets
SELECT s.id, s.user_id, s.period_id, s.status
FROM time_sheets AS s
WHERE s.tenant_id = %(tenant_id)s AND s.id IN (
    SELECT e.id
    FROM json_to_recordset(%(wanted)s::json) AS w (user_id uuid, period_id uuid)
    JOIN time_sheets AS e
        ON e.tenant_id = %(tenant_id)s AND e.user_id = w.user_id AND e.period_id = w.period_id
    UNION ALL
    SELECT unnest(%(ids)s::uuid[])
)
ORDER BY s.id
FOR SHARE

-- name: insert_sheets
INSERT INTO time_sheets (tenant_id, id, user_id, period_id, created_at, updated_at)
SELECT %(tenant_id)s, s.id, s.user_id, s.period_id, %(now)s, %(now)s
FROM json_to_recordset(%(rows)s::json) AS s (id uuid, user_id uuid, period_id uuid)
ORDER BY s.user_id, s.period_id
ON CONFLICT ON CONSTRAINT time_sheets_user_period_key DO NOTHING

-- name: lock_entries
SELECT id, user_id, work_item_type, ticket_id, project_task_id, non_billable_category_id, interaction_id, service_id,
    start_time, end_time, duration_minutes, is_billable, billable_minutes, work_date, time_sheet_id, notes, tax_region,
    webhook_id, delivery_id, created_at, updated_at
FROM time_entries
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
ORDER BY id
FOR NO KEY UPDATE

-- name: insert_entries
INSERT INTO time_entries
    (tenant_id, id, user_id, work_item_type, ticket_id, project_task_id, non_billable_category_id, interaction_id,
    service_id, start_time, end_time, duration_minutes, is_billable, billable_minutes, work_date, time_sheet_id, notes,
    tax_region, webhook_id, delivery_id, created_at, updated_at)
SELECT %(tenant_id)s, e.id, e.user_id, e.work_item_type, e.ticket_id, e.project_task_id, e.non_billable_category_id,
    e.interaction_id, e.service_id, e.start_time, e.end_time, e.duration_minutes, e.is_billable, e.billable_minutes,
    e.work_date, e.time_sheet_id, e.notes, e.tax_region, e.webhook_id, e.delivery_id, e.created_at, e.updated_at
FROM json_to_recordset(%(rows)s::json) AS e (
    id uuid, user_id uuid, work_item_type text, ticket_id uuid, project_task_id uuid, non_billable_category_id uuid,
    interaction_id uuid, service_id uuid, start_time timestamptz, end_time timestamptz, duration_minutes integer,
    is_billable boolean, billable_minutes integer, work_date date, time_sheet_id uuid, notes text, tax_region text,
    webhook_id uuid, delivery_id uuid, created_at timestamptz, updated_at timestamptz
)

-- name: update_entries
UPDATE time_entries AS t
SET user_id = r.user_id, work_item_type = r.work_item_type, ticket_id = r.ticket_id,
    project_task_id = r.project_task_id, non_billable_category_id = r.non_billable_category_id,
    interaction_id = r.interaction_id, service_id = r.service_id, start_time = r.start_time, end_time = r.end_time,
    duration_minutes = r.duration_minutes, is_billable = r.is_billable, billable_minutes = r.billable_minutes,
    work_date = r.work_date, time_sheet_id = r.time_sheet_id, notes = r.notes, tax_region = r.tax_region,
    updated_at = r.updated_at
FROM json_to_recordset(%(rows)s::json) AS r (
    id uuid, user_id uuid, work_item_type text, ticket_id uuid, project_task_id uuid, non_billable_category_id uuid,
    interaction_id uuid, service_id uuid, start_time timestamptz, end_time timestamptz, duration_minutes integer,
    is_billable boolean, billable_minutes integer, work_date date, time_sheet_id uuid, notes text, tax_region text,
    updated_at timestamptz
)
WHERE t.tenant_id = %(tenant_id)s AND t.id = r.id
