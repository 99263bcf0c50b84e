-- name: lock_clients
SELECT id, name, client_type, url, phone_no, email, address, address_2, city, state, zip, country,
    default_currency_code, notes, properties, is_inactive, created_at, updated_at
FROM clients
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
ORDER BY id
FOR NO KEY UPDATE

-- name: find_named
SELECT w.text AS wanted, lower(w.text) AS key, c.id, c.name AS held
FROM unnest(%(texts)s::text[]) AS w (text)
LEFT JOIN clients AS c ON c.tenant_id = %(tenant_id)s AND lower(c.name) = lower(w.text)

-- name: insert_clients
INSERT INTO clients
    (tenant_id, id, name, client_type, url, phone_no, email, address, address_2, city, state, zip, country,
    default_currency_code, notes, properties, is_inactive, created_at, updated_at)
SELECT %(tenant_id)s, c.id, c.name, c.client_type, c.url, c.phone_no, c.email, c.address, c.address_2, c.city, c.state,
    c.zip, c.country, c.default_currency_code, c.notes, c.properties, c.is_inactive, c.created_at, c.updated_at
FROM json_to_recordset(%(rows)s::json) AS c (
    id uuid, name text, client_type text, url text, phone_no text, email text, address text, address_2 text, city text,
    state text, zip text, country text, default_currency_code text, notes text, properties jsonb, is_inactive boolean,
    created_at timestamptz, updated_at timestamptz
)
ORDER BY lower(c.name)

-- name: update_clients
UPDATE clients AS c
SET name = n.name, client_type = n.client_type, url = n.url, phone_no = n.phone_no, email = n.email,
    address = n.address, address_2 = n.address_2, city = n.city, state = n.state, zip = n.zip, country = n.country,
    default_currency_code = n.default_currency_code, notes = n.notes, properties = n.properties,
    is_inactive = n.is_inactive, updated_at = n.updated_at
FROM json_to_recordset(%(rows)s::json) AS n (
    id uuid, name text, client_type text, url text, phone_no text, email text, address text, address_2 text, city text,
    state text, zip text, country text, default_currency_code text, notes text, properties jsonb, is_inactive boolean,
    updated_at timestamptz
)
WHERE c.tenant_id = %(tenant_id)s AND c.id = n.id
