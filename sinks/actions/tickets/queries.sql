-- name: next_numbers
SELECT hookline_next_ticket_numbers(%(count)s::integer) AS number

-- name: insert_tickets
INSERT INTO tickets
    (tenant_id, id, number, title, description, client_id, board_id, status_id, is_closed, priority_id, category_id,
    subcategory_id, location_id, contact_id, assigned_to, assigned_team_id, due_date, attributes, source, webhook_id,
    delivery_id, trace_id, created_at, updated_at, closed_at)
SELECT %(tenant_id)s, t.id, t.number, t.title, t.description, t.client_id, t.board_id, t.status_id, t.is_closed,
    t.priority_id, t.category_id, t.subcategory_id, t.location_id, t.contact_id, t.assigned_to, t.assigned_team_id,
    t.due_date, t.attributes, t.source, t.webhook_id, t.delivery_id, t.trace_id, %(now)s, %(now)s,
    CASE WHEN t.is_closed THEN %(now)s END
FROM json_to_recordset(%(rows)s::json) AS t (
    id uuid, number bigint, title text, description text, client_id uuid, board_id uuid, status_id uuid,
    is_closed boolean, priority_id uuid, category_id uuid, subcategory_id uuid, location_id uuid, contact_id uuid,
    assigned_to uuid, assigned_team_id uuid, due_date timestamptz, attributes jsonb, source text, webhook_id uuid,
    delivery_id uuid, trace_id text
)

-- name: insert_mappings
INSERT INTO external_entity_mappings
    (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id, delivery_id, last_synced_at)
SELECT %(tenant_id)s, m.mapping_id, m.webhook_id, 'ticket', m.external_id, m.entity_id, m.delivery_id, %(now)s
FROM json_to_recordset(%(rows)s::json) AS m (
    mapping_id uuid, webhook_id uuid, external_id text, entity_id uuid, delivery_id uuid
)
ORDER BY m.webhook_id, m.external_id
ON CONFLICT DO NOTHING

-- name: insert_assets
INSERT INTO ticket_assets (tenant_id, ticket_id, asset_id)
SELECT %(tenant_id)s, l.ticket_id, l.asset_id
FROM json_to_recordset(%(rows)s::json) AS l (ticket_id uuid, asset_id uuid)
ON CONFLICT DO NOTHING

-- name: lock_ticket
SELECT id, number, title, description, client_id, board_id, status_id, is_closed, priority_id, category_id,
    subcategory_id, location_id, contact_id, assigned_to, assigned_team_id, due_date, attributes, source, webhook_id,
    delivery_id, trace_id, created_at, updated_at, closed_at
FROM tickets
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
FOR UPDATE

-- name: statuses_of_board
SELECT s.id, s.is_closed, s.is_default, lower(s.name) = lower(c.name) AS has_name
FROM ticket_statuses AS s
JOIN ticket_statuses AS c ON c.tenant_id = s.tenant_id AND c.id = %(current_status_id)s
WHERE s.tenant_id = %(tenant_id)s AND s.board_id = %(board_id)s AND s.is_active
ORDER BY s.position, s.id

-- name: fitting_parts
SELECT
    (SELECT id FROM ticket_categories
    WHERE tenant_id = %(tenant_id)s AND id = %(category_id)s AND (board_id IS NULL OR board_id = %(board_id)s)
    ) AS category_id,
    (SELECT id FROM client_locations
    WHERE tenant_id = %(tenant_id)s AND id = %(location_id)s AND client_id = %(client_id)s) AS location_id,
    (SELECT id FROM contacts
    WHERE tenant_id = %(tenant_id)s AND id = %(contact_id)s AND client_id = %(client_id)s) AS contact_id

-- name: update_ticket
UPDATE tickets
SET title = %(title)s, description = %(description)s, client_id = %(client_id)s, board_id = %(board_id)s,
    status_id = %(status_id)s, is_closed = %(is_closed)s, priority_id = %(priority_id)s,
    category_id = %(category_id)s, subcategory_id = %(subcategory_id)s, location_id = %(location_id)s,
    contact_id = %(contact_id)s, assigned_to = %(assigned_to)s, assigned_team_id = %(assigned_team_id)s,
    due_date = %(due_date)s, attributes = %(attributes)s::jsonb, updated_at = %(updated_at)s,
    closed_at = %(closed_at)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: defaults
SELECT 'board' AS kind, id, NULL::uuid AS parent_id, false AS is_closed, default_priority_id
FROM boards WHERE tenant_id = %(tenant_id)s AND is_default
UNION ALL
SELECT 'ticket_status', id, board_id, is_closed, NULL
FROM ticket_statuses WHERE tenant_id = %(tenant_id)s AND is_default
UNION ALL
SELECT 'ticket_priority', id, NULL, false, NULL
FROM ticket_priorities WHERE tenant_id = %(tenant_id)s AND is_default
