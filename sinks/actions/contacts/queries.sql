-- name: lock_contacts
SELECT id, client_id, full_name, email, phone, role, notes, is_inactive, created_at, updated_at
FROM contacts
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
ORDER BY id
FOR NO KEY UPDATE

-- name: find_by_email
SELECT w.text AS wanted, lower(w.text) AS key, c.id, c.email AS held
FROM unnest(%(texts)s::text[]) AS w (text)
LEFT JOIN contacts AS c ON c.tenant_id = %(tenant_id)s AND lower(c.email) = lower(w.text)

-- name: insert_contacts
INSERT INTO contacts
    (tenant_id, id, client_id, full_name, email, phone, role, notes, is_inactive, created_at, updated_at)
SELECT %(tenant_id)s, c.id, c.client_id, c.full_name, c.email, c.phone, c.role, c.notes, c.is_inactive, c.created_at,
    c.updated_at
FROM json_to_recordset(%(rows)s::json) AS c (
    id uuid, client_id uuid, full_name text, email text, phone text, role text, notes text, is_inactive boolean,
    created_at timestamptz, updated_at timestamptz
)
ORDER BY lower(c.email)

-- name: update_contacts
UPDATE contacts AS c
SET client_id = n.client_id, full_name = n.full_name, email = n.email, phone = n.phone, role = n.role, notes = n.notes,
    is_inactive = n.is_inactive, updated_at = n.updated_at
FROM json_to_recordset(%(rows)s::json) AS n (
    id uuid, client_id uuid, full_name text, email text, phone text, role text, notes text, is_inactive boolean,
    updated_at timestamptz
)
WHERE c.tenant_id = %(tenant_id)s AND c.id = n.id
