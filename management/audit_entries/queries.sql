-- name: insert_audit_entry
INSERT INTO audit_entries (tenant_id, id, actor, action, resource_type, resource_id, before, after, request_id, source_ip)
VALUES (%(tenant_id)s, %(id)s, %(actor)s, %(action)s, %(resource_type)s, %(resource_id)s, %(before)s, %(after)s,
    %(request_id)s, %(source_ip)s)
