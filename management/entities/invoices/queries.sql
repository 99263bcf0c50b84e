-- name: shown_columns
id, client_id, number, status, total_minor, currency, paid_at, payment_reference, created_at, updated_at

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(client_id)s::uuid IS NULL OR client_id = %(client_id)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND position(lower(%(search)s) IN lower(number)) > 0

-- name: count
SELECT count(*) AS total
FROM invoices
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM invoices
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM invoices
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM invoices WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO invoices
    (tenant_id, id, client_id, number, status, total_minor, currency, paid_at, payment_reference, created_at,
    updated_at)
VALUES
    (%(tenant_id)s, %(id)s, %(client_id)s, %(number)s, %(status)s, %(total_minor)s, %(currency)s, %(paid_at)s,
    %(payment_reference)s, %(now)s, %(now)s)

-- name: update
UPDATE invoices
SET client_id = %(client_id)s, number = %(number)s, status = %(status)s, total_minor = %(total_minor)s,
    currency = %(currency)s, paid_at = %(paid_at)s, payment_reference = %(payment_reference)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM invoices WHERE tenant_id = %(tenant_id)s AND id = %(id)s
