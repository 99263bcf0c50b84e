-- name: lock_tickets
SELECT id, number, title, description, client_id, board_id, status_id, is_closed, priority_id, category_id,
    subcategory_id, location_id, contact_id, assigned_to, assigned_team_id, due_date, attributes, source, webhook_id,
    delivery_id, trace_id, created_at, updated_at, closed_at
FROM tickets
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
ORDER BY id
FOR NO KEY UPDATE

-- name: insert_tickets
INSERT INTO tickets
    (tenant_id, id, number, title, description, client_id, board_id, status_id, is_closed, priority_id, category_id,
    subcategory_id, location_id, contact_id, assigned_to, assigned_team_id, due_date, attributes, source, webhook_id,
    delivery_id, trace_id, created_at, updated_at, closed_at)
SELECT %(tenant_id)s, t.id, t.number, t.title, t.description, t.client_id, t.board_id, t.status_id, t.is_closed,
    t.priority_id, t.category_id, t.subcategory_id, t.location_id, t.contact_id, t.assigned_to, t.assigned_team_id,
    t.due_date, t.attributes, t.source, t.webhook_id, t.delivery_id, t.trace_id, t.created_at, t.updated_at, t.closed_at
FROM json_to_recordset(%(rows)s::json) AS t (
    id uuid, number bigint, title text, description text, client_id uuid, board_id uuid, status_id uuid,
    is_closed boolean, priority_id uuid, category_id uuid, subcategory_id uuid, location_id uuid, contact_id uuid,
    assigned_to uuid, assigned_team_id uuid, due_date timestamptz, attributes jsonb, source text, webhook_id uuid,
    delivery_id uuid, trace_id text, created_at timestamptz, updated_at timestamptz, closed_at timestamptz
)

-- name: update_tickets
UPDATE tickets AS t
SET title = r.title, description = r.description, client_id = r.client_id, board_id = r.board_id,
    status_id = r.status_id, is_closed = r.is_closed, priority_id = r.priority_id, category_id = r.category_id,
    subcategory_id = r.subcategory_id, location_id = r.location_id, contact_id = r.contact_id,
    assigned_to = r.assigned_to, assigned_team_id = r.assigned_team_id, due_date = r.due_date,
    attributes = r.attributes, updated_at = r.updated_at, closed_at = r.closed_at
FROM json_to_recordset(%(rows)s::json) AS r (
    id uuid, title text, description text, client_id uuid, board_id uuid, status_id uuid, is_closed boolean,
    priority_id uuid, category_id uuid, subcategory_id uuid, location_id uuid, contact_id uuid, assigned_to uuid,
    assigned_team_id uuid, due_date timestamptz, attributes jsonb, updated_at timestamptz, closed_at timestamptz
)
WHERE t.tenant_id = %(tenant_id)s AND t.id = r.id

-- name: read_statuses
SELECT id, board_id, lower(name) AS name, is_closed, is_default, is_active
FROM ticket_statuses
WHERE tenant_id = %(tenant_id)s AND (board_id = ANY(%(board_ids)s) OR id = ANY(%(ids)s))
ORDER BY position, id

-- name: read_owners
SELECT id, board_id AS owner_id
FROM ticket_categories WHERE tenant_id = %(tenant_id)s AND id = ANY(%(category_id)s)
UNION ALL
SELECT id, client_id
FROM contacts WHERE tenant_id = %(tenant_id)s AND id = ANY(%(contact_id)s)

-- name: read_assets
SELECT ticket_id, asset_id
FROM ticket_assets
WHERE tenant_id = %(tenant_id)s AND ticket_id = ANY(%(ticket_ids)s) AND asset_id = ANY(%(asset_ids)s)

-- name: next_numbers
SELECT hookline_next_ticket_numbers(%(count)s::integer) AS number

-- name: insert_assets
INSERT INTO ticket_assets (tenant_id, ticket_id, asset_id)
SELECT %(tenant_id)s, l.ticket_id, l.asset_id
FROM json_to_recordset(%(rows)s::json) AS l (ticket_id uuid, asset_id uuid)
ON CONFLICT DO NOTHING

-- name: defaults
SELECT 'board' AS kind, id, NULL::uuid AS parent_id, false AS is_closed, default_priority_id
FROM boards WHERE tenant_id = %(tenant_id)s AND is_default
UNION ALL
SELECT 'ticket_status', id, board_id, is_closed, NULL
FROM ticket_statuses WHERE tenant_id = %(tenant_id)s AND is_default
UNION ALL
SELECT 'ticket_priority', id, NULL, false, NULL
FROM ticket_priorities WHERE tenant_id = %(tenant_id)s AND is_default

-- name: read_last_comments
SELECT t.id, (
    SELECT max(c.created_at) FROM ticket_comments AS c WHERE c.tenant_id = %(tenant_id)s AND c.ticket_id = t.id
) AS last_at
FROM unnest(%(ids)s::uuid[]) AS t (id)

-- name: insert_comments
INSERT INTO ticket_comments
    (tenant_id, id, ticket_id, content, author_type, user_id, contact_id, webhook_id, delivery_id, is_internal,
    is_resolution, created_at)
SELECT %(tenant_id)s, c.id, c.ticket_id, c.content, c.author_type, c.user_id, c.contact_id, c.webhook_id, c.delivery_id,
    c.is_internal, c.is_resolution, c.created_at
FROM json_to_recordset(%(rows)s::json) AS c (
    id uuid, ticket_id uuid, content text, author_type text, user_id uuid, contact_id uuid, webhook_id uuid,
    delivery_id uuid, is_internal boolean, is_resolution boolean, created_at timestamptz
)
