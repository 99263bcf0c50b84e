-- name: lock_invoices
SELECT id, client_id, number, status, total_minor, currency, paid_at, payment_reference, created_at, updated_at
FROM invoices
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
ORDER BY id
FOR NO KEY UPDATE

-- name: update_invoices
UPDATE invoices AS i
SET status = r.status, paid_at = r.paid_at, payment_reference = r.payment_reference, updated_at = r.updated_at
FROM json_to_recordset(%(rows)s::json) AS r (
    id uuid, status text, paid_at timestamptz, payment_reference text, updated_at timestamptz
)
WHERE i.tenant_id = %(tenant_id)s AND i.id = r.id
