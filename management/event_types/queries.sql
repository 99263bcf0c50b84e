-- name: find_schema
SELECT version, schema
FROM event_types
WHERE tenant_id = %(tenant_id)s AND name = %(name)s AND (%(version)s::integer IS NULL OR version = %(version)s)
ORDER BY version DESC
LIMIT 1
