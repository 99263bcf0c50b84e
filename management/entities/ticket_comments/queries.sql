-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND (%(is_internal)s::boolean IS NULL OR is_internal = %(is_internal)s)

-- name: count
SELECT count(*) AS total
FROM ticket_comments
WHERE tenant_id = %(tenant_id)s AND ticket_id = %(ticket_id)s
    /*where_wanted*/

-- name: page
SELECT id, ticket_id, content, author_type, user_id, contact_id, webhook_id, delivery_id, is_internal, is_resolution,
    created_at
FROM ticket_comments
WHERE tenant_id = %(tenant_id)s AND ticket_id = %(ticket_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: insert
-- Comments of a ticket are read in the order of their times, so that no two may have one.
INSERT INTO ticket_comments
    (tenant_id, id, ticket_id, content, author_type, user_id, contact_id, is_internal, is_resolution, created_at)
SELECT %(tenant_id)s, %(id)s, %(ticket_id)s, %(content)s, %(author_type)s, %(user_id)s, %(contact_id)s,
    %(is_internal)s, %(is_resolution)s, greatest(%(now)s, max(created_at) + interval '1 microsecond')
FROM ticket_comments
WHERE tenant_id = %(tenant_id)s AND ticket_id = %(ticket_id)s
RETURNING id, ticket_id, content, author_type, user_id, contact_id, webhook_id, delivery_id, is_internal, is_resolution,
    created_at
