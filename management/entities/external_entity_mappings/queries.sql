-- name: shown_columns
mapping_id AS id, webhook_id, entity_type, external_id, realm_id, entity_id, sync_status, metadata, delivery_id,
    last_synced_at

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR last_synced_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR last_synced_at < %(until)s)
    AND (%(webhook_id)s::uuid IS NULL OR webhook_id = %(webhook_id)s)
    AND (%(entity_type)s::text IS NULL OR entity_type = %(entity_type)s)
    AND (%(external_id)s::text IS NULL OR external_id = %(external_id)s)
    AND (%(entity_id)s::uuid IS NULL OR entity_id = %(entity_id)s)
    AND (%(sync_status)s::text IS NULL OR sync_status = %(sync_status)s)

-- name: count
SELECT count(*) AS total
FROM external_entity_mappings
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM external_entity_mappings
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY mapping_id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM external_entity_mappings
WHERE tenant_id = %(tenant_id)s AND mapping_id = %(id)s

-- name: lock
SELECT mapping_id FROM external_entity_mappings WHERE tenant_id = %(tenant_id)s AND mapping_id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO external_entity_mappings
    (tenant_id, mapping_id, webhook_id, entity_type, external_id, realm_id, entity_id, metadata, last_synced_at)
VALUES
    (%(tenant_id)s, %(id)s, %(webhook_id)s, %(entity_type)s, %(external_id)s, %(realm_id)s, %(entity_id)s,
    %(metadata)s, %(now)s)

-- name: update
UPDATE external_entity_mappings
SET external_id = %(external_id)s, realm_id = %(realm_id)s, metadata = %(metadata)s, sync_status = %(sync_status)s,
    last_synced_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND mapping_id = %(id)s

-- name: delete
DELETE FROM external_entity_mappings WHERE tenant_id = %(tenant_id)s AND mapping_id = %(id)s
