-- name: find_webhook
SELECT id FROM webhooks WHERE tenant_id = %(tenant_id)s AND id = %(webhook_id)s

-- name: find_clashes
SELECT external_id, realm_id
FROM external_entity_mappings
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s AND entity_type = %(entity_type)s
    AND ((external_id = %(external_id)s AND realm_id = %(realm_id)s) OR entity_id = %(entity_id)s)
ORDER BY external_id = %(external_id)s DESC

-- name: insert_mapping
INSERT INTO external_entity_mappings
    (tenant_id, mapping_id, webhook_id, entity_type, external_id, realm_id, entity_id)
VALUES
    (%(tenant_id)s, %(mapping_id)s, %(webhook_id)s, %(entity_type)s, %(external_id)s, %(realm_id)s, %(entity_id)s)
ON CONFLICT DO NOTHING
