-- name: shown_columns
id, number, title, description, client_id, board_id, status_id, is_closed, priority_id, category_id,
    subcategory_id, location_id, contact_id, assigned_to, assigned_team_id, due_date, attributes, source, webhook_id,
    delivery_id, trace_id, closed_at, created_at, updated_at,
    ARRAY(
        SELECT a.asset_id FROM ticket_assets AS a
        WHERE a.tenant_id = %(tenant_id)s AND a.ticket_id = tickets.id ORDER BY a.asset_id
    ) AS asset_ids

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(client_id)s::uuid IS NULL OR client_id = %(client_id)s)
    AND (%(board_id)s::uuid IS NULL OR board_id = %(board_id)s)
    AND (%(status_id)s::uuid IS NULL OR status_id = %(status_id)s)
    AND (%(assigned_to)s::uuid IS NULL OR assigned_to = %(assigned_to)s)
    AND (%(is_closed)s::boolean IS NULL OR is_closed = %(is_closed)s)
    AND (position(lower(%(search)s) IN lower(title)) > 0 OR position(%(search)s IN number::text) > 0)
    AND (
        (%(external_id)s::text IS NULL AND %(webhook_id)s::uuid IS NULL)
        OR id IN (
            SELECT m.entity_id FROM external_entity_mappings AS m
            WHERE m.tenant_id = %(tenant_id)s AND m.entity_type = 'ticket'
                AND (%(external_id)s::text IS NULL OR m.external_id = %(external_id)s)
                AND (%(webhook_id)s::uuid IS NULL OR m.webhook_id = %(webhook_id)s)
        )
    )

-- name: count
SELECT count(*) AS total
FROM tickets
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM tickets
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM tickets
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM tickets WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO tickets
    (tenant_id, id, number, title, description, client_id, board_id, status_id, is_closed, priority_id,
    category_id, subcategory_id, location_id, contact_id, assigned_to, assigned_team_id, due_date, attributes,
    source, closed_at, created_at, updated_at)
VALUES
    (%(tenant_id)s, %(id)s, %(number)s, %(title)s, %(description)s, %(client_id)s, %(board_id)s, %(status_id)s,
    %(is_closed)s, %(priority_id)s, %(category_id)s, %(subcategory_id)s, %(location_id)s, %(contact_id)s,
    %(assigned_to)s, %(assigned_team_id)s, %(due_date)s, %(attributes)s, %(source)s, %(closed_at)s, %(now)s,
    %(now)s)

-- name: update
UPDATE tickets
SET title = %(title)s, description = %(description)s, client_id = %(client_id)s, board_id = %(board_id)s,
    status_id = %(status_id)s, is_closed = %(is_closed)s, priority_id = %(priority_id)s, category_id = %(category_id)s,
    subcategory_id = %(subcategory_id)s, location_id = %(location_id)s, contact_id = %(contact_id)s,
    assigned_to = %(assigned_to)s, assigned_team_id = %(assigned_team_id)s, due_date = %(due_date)s,
    attributes = %(attributes)s, closed_at = %(closed_at)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM tickets WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: next_number
SELECT hookline_next_ticket_numbers(1) AS number

-- name: find_board
-- The default one where none is named.
SELECT id, default_priority_id
FROM boards
WHERE tenant_id = %(tenant_id)s AND CASE WHEN %(board_id)s::uuid IS NULL THEN is_default ELSE id = %(board_id)s END

-- name: default_status
SELECT id, is_closed
FROM ticket_statuses
WHERE tenant_id = %(tenant_id)s AND board_id = %(board_id)s AND is_default

-- name: default_priority
SELECT id FROM ticket_priorities WHERE tenant_id = %(tenant_id)s AND is_default

-- name: status_after_move
-- The one of the same name, else the default one; for a closed ticket else the first closed one.
SELECT s.id, s.is_closed
FROM ticket_statuses AS s
JOIN ticket_statuses AS old ON old.tenant_id = s.tenant_id AND old.id = %(status_id)s
WHERE s.tenant_id = %(tenant_id)s AND s.board_id = %(board_id)s AND s.is_active AND s.is_closed = old.is_closed
    AND (lower(s.name) = lower(old.name) OR s.is_default OR s.is_closed)
ORDER BY lower(s.name) = lower(old.name) DESC, s.position, s.id
LIMIT 1

-- name: unlink_assets
DELETE FROM ticket_assets
WHERE tenant_id = %(tenant_id)s AND ticket_id = %(id)s AND asset_id <> ALL(%(asset_ids)s::uuid[])

-- name: link_assets
INSERT INTO ticket_assets (tenant_id, ticket_id, asset_id)
SELECT %(tenant_id)s, %(id)s, asset_id FROM unnest(%(asset_ids)s::uuid[]) AS wanted (asset_id)
ON CONFLICT DO NOTHING
