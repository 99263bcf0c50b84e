-- name: shown_columns
id, client_id, contact_id, title, notes, created_at, updated_at

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(client_id)s::uuid IS NULL OR client_id = %(client_id)s)
    AND (%(contact_id)s::uuid IS NULL OR contact_id = %(contact_id)s)
    AND position(lower(%(search)s) IN lower(title)) > 0

-- name: count
SELECT count(*) AS total
FROM interactions
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM interactions
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM interactions
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM interactions WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO interactions (tenant_id, id, client_id, contact_id, title, notes, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(client_id)s, %(contact_id)s, %(title)s, %(notes)s, %(now)s, %(now)s)

-- name: update
UPDATE interactions
SET client_id = %(client_id)s, contact_id = %(contact_id)s, title = %(title)s, notes = %(notes)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM interactions WHERE tenant_id = %(tenant_id)s AND id = %(id)s
