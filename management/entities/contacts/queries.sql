-- name: shown_columns
id, client_id, full_name, email, phone, role, notes, is_inactive, created_at, updated_at

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(client_id)s::uuid IS NULL OR client_id = %(client_id)s)
    AND (%(is_inactive)s::boolean IS NULL OR is_inactive = %(is_inactive)s)
    AND (
        position(lower(%(search)s) IN lower(full_name)) > 0
        OR position(lower(%(search)s) IN lower(email)) > 0
    )

-- name: count
SELECT count(*) AS total
FROM contacts
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM contacts
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM contacts
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM contacts WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO contacts
    (tenant_id, id, client_id, full_name, email, phone, role, notes, is_inactive, created_at, updated_at)
VALUES
    (%(tenant_id)s, %(id)s, %(client_id)s, %(full_name)s, %(email)s, %(phone)s, %(role)s, %(notes)s, %(is_inactive)s,
    %(now)s, %(now)s)

-- name: update
UPDATE contacts
SET client_id = %(client_id)s, full_name = %(full_name)s, email = %(email)s, phone = %(phone)s, role = %(role)s,
    notes = %(notes)s, is_inactive = %(is_inactive)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM contacts WHERE tenant_id = %(tenant_id)s AND id = %(id)s
