-- name: find_webhook
SELECT id FROM webhooks WHERE tenant_id = %(tenant_id)s AND id = %(webhook_id)s

-- name: insert_mapping
INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id)
VALUES (%(tenant_id)s, %(mapping_id)s, %(webhook_id)s, %(entity_type)s, %(external_id)s, %(entity_id)s)
ON CONFLICT DO NOTHING

-- name: lock_mappings
SELECT mapping_id FROM external_entity_mappings
WHERE tenant_id = %(tenant_id)s AND entity_type = %(entity_type)s AND entity_id = %(entity_id)s
ORDER BY webhook_id, external_id, realm_id
FOR UPDATE
