-- name: insert_version
INSERT INTO webhook_versions (tenant_id, webhook_id, version, change, config, changed_by)
VALUES (%(tenant_id)s, %(webhook_id)s, %(version)s, %(change)s, %(config)s, %(changed_by)s)

-- name: count_versions
SELECT count(*) AS total
FROM webhook_versions
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s

-- name: list_versions
SELECT version, change, changed_by, changed_at
FROM webhook_versions
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s
ORDER BY version DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: get_version_and_the_one_before
SELECT version, change, config, changed_by, changed_at
FROM webhook_versions
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s AND version <= %(version)s
ORDER BY version DESC
LIMIT 2
