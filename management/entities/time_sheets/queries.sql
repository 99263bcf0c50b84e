-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s)
    AND (%(period_id)s::uuid IS NULL OR period_id = %(period_id)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)

-- name: count
SELECT count(*) AS total
FROM time_sheets
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT id, user_id, period_id, status, created_at, updated_at
FROM time_sheets
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT id, user_id, period_id, status, created_at, updated_at
FROM time_sheets
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM time_sheets WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO time_sheets (tenant_id, id, user_id, period_id, status, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(user_id)s, %(period_id)s, %(status)s, %(now)s, %(now)s)

-- name: update
UPDATE time_sheets
SET status = %(status)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM time_sheets WHERE tenant_id = %(tenant_id)s AND id = %(id)s
