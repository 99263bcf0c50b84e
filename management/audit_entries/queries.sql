-- name: insert_audit_entry
INSERT INTO audit_entries (tenant_id, id, actor, action, resource_type, resource_id, before, after, request_id, source_ip)
VALUES (%(tenant_id)s, %(id)s, %(actor)s, %(action)s, %(resource_type)s, %(resource_id)s, %(before)s, %(after)s,
    %(request_id)s, %(source_ip)s);

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR occurred_at < %(until)s)
    AND (%(actor)s::text IS NULL OR actor ->> 'id' = %(actor)s OR actor ->> 'name' = %(actor)s)
    AND (%(action)s::text IS NULL OR action = %(action)s)
    AND (%(resource_type)s::text IS NULL OR resource_type = %(resource_type)s)
    AND (%(resource_id)s::text IS NULL OR resource_id = %(resource_id)s)

-- name: count_audit_entries
SELECT count(*) AS total
FROM audit_entries
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/;

-- name: list_audit_entries
SELECT id, occurred_at, actor, action, resource_type, resource_id, before, after, request_id, source_ip
FROM audit_entries
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY occurred_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s;
