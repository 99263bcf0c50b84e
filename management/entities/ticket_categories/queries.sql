-- name: shown_columns
id, board_id, parent_id, name, is_active, created_at, updated_at

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(board_id)s::uuid IS NULL OR board_id = %(board_id)s)
    AND (%(parent_id)s::uuid IS NULL OR parent_id = %(parent_id)s)
    AND (%(is_active)s::boolean IS NULL OR is_active = %(is_active)s)
    AND position(lower(%(search)s) IN lower(name)) > 0

-- name: count
SELECT count(*) AS total
FROM ticket_categories
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM ticket_categories
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM ticket_categories
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM ticket_categories WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO ticket_categories (tenant_id, id, board_id, parent_id, name, is_active, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(board_id)s, %(parent_id)s, %(name)s, %(is_active)s, %(now)s, %(now)s)

-- name: update
UPDATE ticket_categories
SET name = %(name)s, is_active = %(is_active)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM ticket_categories WHERE tenant_id = %(tenant_id)s AND id = %(id)s
