-- name: find_schema
SELECT version, schema
FROM event_types
WHERE tenant_id = %(tenant_id)s AND name = %(name)s AND (%(version)s::integer IS NULL OR version = %(version)s)
ORDER BY version DESC
LIMIT 1;

-- name: count_event_types
SELECT count(*) AS total
FROM (
    SELECT DISTINCT ON (name) name, description
    FROM event_types
    WHERE tenant_id = %(tenant_id)s
    ORDER BY name, version DESC
) AS newest
WHERE position(lower(%(search)s) IN lower(name)) > 0 OR position(lower(%(search)s) IN lower(description)) > 0;

-- name: list_event_types
SELECT newest.name, newest.version, newest.description, first.created_at, newest.created_at AS updated_at
FROM (
    SELECT DISTINCT ON (name) name, version, description, created_at
    FROM event_types
    WHERE tenant_id = %(tenant_id)s
    ORDER BY name, version DESC
) AS newest
JOIN event_types first ON first.tenant_id = %(tenant_id)s AND first.name = newest.name AND first.version = 1
WHERE position(lower(%(search)s) IN lower(newest.name)) > 0 OR position(lower(%(search)s) IN lower(newest.description)) > 0
ORDER BY newest.name COLLATE "C"
LIMIT %(limit)s OFFSET %(offset)s;

-- name: list_versions
SELECT version, description, created_at
FROM event_types
WHERE tenant_id = %(tenant_id)s AND name = %(name)s
ORDER BY version DESC;

-- name: read_version
SELECT version, description, schema, created_by, created_at
FROM event_types
WHERE tenant_id = %(tenant_id)s AND name = %(name)s AND version = %(version)s;

-- name: lock_event_type
SELECT version FROM event_types WHERE tenant_id = %(tenant_id)s AND name = %(name)s AND version = 1 FOR UPDATE;

-- name: insert_version
INSERT INTO event_types (tenant_id, name, version, description, schema, created_by)
VALUES (%(tenant_id)s, %(name)s, %(version)s, %(description)s, %(schema)s, %(created_by)s);

-- name: delete_event_type
DELETE FROM event_types WHERE tenant_id = %(tenant_id)s AND name = %(name)s;

-- name: webhooks_that_validate
SELECT slug
FROM webhooks
WHERE tenant_id = %(tenant_id)s AND validation ->> 'event_type' = %(name)s
ORDER BY slug
LIMIT 10;
