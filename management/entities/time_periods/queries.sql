-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(day)s::date IS NULL OR %(day)s BETWEEN start_date AND end_date)

-- name: count
SELECT count(*) AS total
FROM time_periods
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT id, start_date, end_date, created_at, updated_at
FROM time_periods
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT id, start_date, end_date, created_at, updated_at
FROM time_periods
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM time_periods WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO time_periods (tenant_id, id, start_date, end_date, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(start_date)s, %(end_date)s, %(now)s, %(now)s)

-- name: update
UPDATE time_periods
SET start_date = %(start_date)s, end_date = %(end_date)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM time_periods WHERE tenant_id = %(tenant_id)s AND id = %(id)s
