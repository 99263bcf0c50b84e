-- name: mapping
SELECT m.webhook_id, m.entity_type, m.external_id, m.realm_id, m.entity_id
FROM json_to_recordset(%(wanted)s::json) AS w (webhook_id uuid, entity_type text, external_id text)
JOIN external_entity_mappings AS m
    ON m.tenant_id = %(tenant_id)s AND m.webhook_id = w.webhook_id AND m.entity_type = w.entity_type
    AND m.external_id = w.external_id

-- name: webhook
SELECT id FROM webhooks WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)

-- name: client
SELECT w.name AS wanted, c.id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN clients AS c ON c.tenant_id = %(tenant_id)s AND lower(c.name) = lower(w.name) AND NOT c.is_inactive
UNION
SELECT c.id::text, c.id
FROM clients AS c WHERE c.tenant_id = %(tenant_id)s AND c.id = ANY(%(ids)s::uuid[]) AND NOT c.is_inactive

-- name: board
SELECT w.name AS wanted, b.id, b.default_priority_id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN boards AS b ON b.tenant_id = %(tenant_id)s AND lower(b.name) = lower(w.name) AND b.is_active
UNION
SELECT b.id::text, b.id, b.default_priority_id
FROM boards AS b WHERE b.tenant_id = %(tenant_id)s AND b.id = ANY(%(ids)s::uuid[]) AND b.is_active

-- name: ticket_status
SELECT w.name AS wanted, s.id, s.board_id AS parent_id, s.is_closed
FROM unnest(%(names)s::text[]) AS w (name)
JOIN ticket_statuses AS s ON s.tenant_id = %(tenant_id)s AND lower(s.name) = lower(w.name) AND s.is_active
UNION
SELECT s.id::text, s.id, s.board_id, s.is_closed
FROM ticket_statuses AS s WHERE s.tenant_id = %(tenant_id)s AND s.id = ANY(%(ids)s::uuid[]) AND s.is_active

-- name: ticket_priority
SELECT w.name AS wanted, p.id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN ticket_priorities AS p ON p.tenant_id = %(tenant_id)s AND lower(p.name) = lower(w.name) AND p.is_active
UNION
SELECT p.id::text, p.id
FROM ticket_priorities AS p WHERE p.tenant_id = %(tenant_id)s AND p.id = ANY(%(ids)s::uuid[]) AND p.is_active

-- name: ticket_category
SELECT w.name AS wanted, c.id, c.board_id AS parent_id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN ticket_categories AS c
    ON c.tenant_id = %(tenant_id)s AND lower(c.name) = lower(w.name) AND c.is_active AND c.parent_id IS NULL
UNION
SELECT c.id::text, c.id, c.board_id
FROM ticket_categories AS c
WHERE c.tenant_id = %(tenant_id)s AND c.id = ANY(%(ids)s::uuid[]) AND c.is_active AND c.parent_id IS NULL

-- name: ticket_subcategory
SELECT w.name AS wanted, c.id, c.parent_id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN ticket_categories AS c
    ON c.tenant_id = %(tenant_id)s AND lower(c.name) = lower(w.name) AND c.is_active AND c.parent_id IS NOT NULL
UNION
SELECT c.id::text, c.id, c.parent_id
FROM ticket_categories AS c
WHERE c.tenant_id = %(tenant_id)s AND c.id = ANY(%(ids)s::uuid[]) AND c.is_active AND c.parent_id IS NOT NULL

-- name: client_location
SELECT w.name AS wanted, l.id, l.client_id AS parent_id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN client_locations AS l ON l.tenant_id = %(tenant_id)s AND lower(l.name) = lower(w.name) AND l.is_active
UNION
SELECT l.id::text, l.id, l.client_id
FROM client_locations AS l WHERE l.tenant_id = %(tenant_id)s AND l.id = ANY(%(ids)s::uuid[]) AND l.is_active

-- name: contact
SELECT w.name AS wanted, c.id, c.client_id AS parent_id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN contacts AS c ON c.tenant_id = %(tenant_id)s AND lower(c.email) = lower(w.name) AND NOT c.is_inactive
UNION
SELECT c.id::text, c.id, c.client_id
FROM contacts AS c WHERE c.tenant_id = %(tenant_id)s AND c.id = ANY(%(ids)s::uuid[]) AND NOT c.is_inactive

-- name: asset
WITH by_tag AS (
    SELECT w.name AS wanted, a.id, a.client_id
    FROM unnest(%(names)s::text[]) AS w (name)
    JOIN assets AS a ON a.tenant_id = %(tenant_id)s AND lower(a.asset_tag) = lower(w.name) AND a.is_active
)
SELECT wanted, id, client_id AS parent_id FROM by_tag
UNION
SELECT w.name, a.id, a.client_id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN assets AS a ON a.tenant_id = %(tenant_id)s AND lower(a.name) = lower(w.name) AND a.is_active
WHERE w.name NOT IN (SELECT wanted FROM by_tag)
UNION
SELECT a.id::text, a.id, a.client_id
FROM assets AS a WHERE a.tenant_id = %(tenant_id)s AND a.id = ANY(%(ids)s::uuid[]) AND a.is_active

-- name: user
SELECT w.name AS wanted, u.id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN users AS u ON u.tenant_id = %(tenant_id)s AND lower(u.email) = lower(w.name) AND u.is_active
UNION
SELECT w.name, u.id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN users AS u ON u.tenant_id = %(tenant_id)s AND lower(u.username) = lower(w.name) AND u.is_active
UNION
SELECT u.id::text, u.id
FROM users AS u WHERE u.tenant_id = %(tenant_id)s AND u.id = ANY(%(ids)s::uuid[]) AND u.is_active

-- name: team
SELECT w.name AS wanted, t.id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN teams AS t ON t.tenant_id = %(tenant_id)s AND lower(t.name) = lower(w.name) AND t.is_active
UNION
SELECT t.id::text, t.id
FROM teams AS t WHERE t.tenant_id = %(tenant_id)s AND t.id = ANY(%(ids)s::uuid[]) AND t.is_active

-- name: service
SELECT w.name AS wanted, s.id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN services AS s ON s.tenant_id = %(tenant_id)s AND lower(s.name) = lower(w.name) AND s.is_active
UNION
SELECT s.id::text, s.id
FROM services AS s WHERE s.tenant_id = %(tenant_id)s AND s.id = ANY(%(ids)s::uuid[]) AND s.is_active

-- name: project
SELECT w.name AS wanted, p.id, p.client_id AS parent_id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN projects AS p ON p.tenant_id = %(tenant_id)s AND lower(p.name) = lower(w.name) AND p.is_active
UNION
SELECT p.id::text, p.id, p.client_id
FROM projects AS p WHERE p.tenant_id = %(tenant_id)s AND p.id = ANY(%(ids)s::uuid[]) AND p.is_active

-- name: project_phase
SELECT w.name AS wanted, p.id, p.project_id AS parent_id
FROM unnest(%(names)s::text[]) AS w (name)
JOIN project_phases AS p ON p.tenant_id = %(tenant_id)s AND lower(p.name) = lower(w.name) AND p.is_active
UNION
SELECT p.id::text, p.id, p.project_id
FROM project_phases AS p WHERE p.tenant_id = %(tenant_id)s AND p.id = ANY(%(ids)s::uuid[]) AND p.is_active

-- name: project_status
SELECT w.name AS wanted, s.id, s.project_id AS parent_id, s.is_closed
FROM unnest(%(names)s::text[]) AS w (name)
JOIN project_statuses AS s ON s.tenant_id = %(tenant_id)s AND lower(s.name) = lower(w.name) AND s.is_active
UNION
SELECT s.id::text, s.id, s.project_id, s.is_closed
FROM project_statuses AS s WHERE s.tenant_id = %(tenant_id)s AND s.id = ANY(%(ids)s::uuid[]) AND s.is_active
