-- name: shown_columns
id, name, client_type, url, phone_no, email, address, address_2, city, state, zip, country,
    default_currency_code, notes, properties, is_inactive, created_at, updated_at

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(is_inactive)s::boolean IS NULL OR is_inactive = %(is_inactive)s)
    AND (%(client_type)s::text IS NULL OR client_type = %(client_type)s)
    AND position(lower(%(search)s) IN lower(name)) > 0

-- name: count
SELECT count(*) AS total
FROM clients
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM clients
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM clients
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM clients WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO clients
    (tenant_id, id, name, client_type, url, phone_no, email, address, address_2, city, state, zip, country,
    default_currency_code, notes, properties, is_inactive, created_at, updated_at)
VALUES
    (%(tenant_id)s, %(id)s, %(name)s, %(client_type)s, %(url)s, %(phone_no)s, %(email)s, %(address)s, %(address_2)s,
    %(city)s, %(state)s, %(zip)s, %(country)s, %(default_currency_code)s, %(notes)s, %(properties)s, %(is_inactive)s,
    %(now)s, %(now)s)

-- name: update
UPDATE clients
SET name = %(name)s, client_type = %(client_type)s, url = %(url)s, phone_no = %(phone_no)s, email = %(email)s,
    address = %(address)s, address_2 = %(address_2)s, city = %(city)s, state = %(state)s, zip = %(zip)s,
    country = %(country)s, default_currency_code = %(default_currency_code)s, notes = %(notes)s,
    properties = %(properties)s, is_inactive = %(is_inactive)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM clients WHERE tenant_id = %(tenant_id)s AND id = %(id)s
