-- name: shown_columns
id, user_id, work_item_type, ticket_id, project_task_id, non_billable_category_id, interaction_id, service_id,
    start_time, end_time, duration_minutes, is_billable, billable_minutes, work_date, time_sheet_id, notes, tax_region,
    webhook_id, delivery_id, created_at, updated_at,
    coalesce(ticket_id, project_task_id, non_billable_category_id, interaction_id) AS work_item_id

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s)
    AND (%(service_id)s::uuid IS NULL OR service_id = %(service_id)s)
    AND (%(time_sheet_id)s::uuid IS NULL OR time_sheet_id = %(time_sheet_id)s)
    AND (%(work_item_type)s::text IS NULL OR work_item_type = %(work_item_type)s)
    AND (%(work_item_id)s::uuid IS NULL OR %(work_item_id)s IN (
        ticket_id, project_task_id, non_billable_category_id, interaction_id
    ))
    AND (%(is_billable)s::boolean IS NULL OR is_billable = %(is_billable)s)
    AND position(lower(%(search)s) IN lower(coalesce(notes, ''))) > 0

-- name: count
SELECT count(*) AS total
FROM time_entries
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM time_entries
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM time_entries
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM time_entries WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO time_entries
    (tenant_id, id, user_id, work_item_type, ticket_id, project_task_id, non_billable_category_id, interaction_id,
    service_id, start_time, end_time, duration_minutes, is_billable, billable_minutes, work_date, time_sheet_id,
    notes, tax_region, created_at, updated_at)
VALUES
    (%(tenant_id)s, %(id)s, %(user_id)s, %(work_item_type)s, %(ticket_id)s, %(project_task_id)s,
    %(non_billable_category_id)s, %(interaction_id)s, %(service_id)s, %(start_time)s, %(end_time)s,
    %(duration_minutes)s, %(is_billable)s, %(billable_minutes)s, %(work_date)s, %(time_sheet_id)s, %(notes)s,
    %(tax_region)s, %(now)s, %(now)s)

-- name: update
UPDATE time_entries
SET user_id = %(user_id)s, work_item_type = %(work_item_type)s, ticket_id = %(ticket_id)s,
    project_task_id = %(project_task_id)s, non_billable_category_id = %(non_billable_category_id)s,
    interaction_id = %(interaction_id)s, service_id = %(service_id)s, start_time = %(start_time)s,
    end_time = %(end_time)s, duration_minutes = %(duration_minutes)s, is_billable = %(is_billable)s,
    billable_minutes = %(billable_minutes)s, work_date = %(work_date)s, time_sheet_id = %(time_sheet_id)s,
    notes = %(notes)s, tax_region = %(tax_region)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM time_entries WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: read_time_zone
SELECT time_zone FROM users WHERE tenant_id = %(tenant_id)s AND id = %(user_id)s

-- name: find_category
SELECT id FROM non_billable_categories WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND is_active

-- name: find_period
SELECT id
FROM time_periods
WHERE tenant_id = %(tenant_id)s AND daterange(start_date, end_date, '[]') @> %(day)s::date

-- name: join_sheet
-- Also of a sheet that is there the row is locked: it cannot be handed in meanwhile.
INSERT INTO time_sheets (tenant_id, id, user_id, period_id, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(user_id)s, %(period_id)s, %(now)s, %(now)s)
ON CONFLICT ON CONSTRAINT time_sheets_user_period_key DO UPDATE SET updated_at = time_sheets.updated_at
RETURNING id, status

-- name: share_sheet
SELECT id, status FROM time_sheets WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR SHARE
