-- name: find_tenant
SELECT id FROM tenants WHERE id = %(tenant_id)s

-- name: read_applied
SELECT command_id, status, outcome, attempts
FROM applied_commands
WHERE tenant_id = %(tenant_id)s AND command_id = ANY(%(command_ids)s)

-- name: insert_applied
INSERT INTO applied_commands
    (tenant_id, command_id, delivery_id, replay_id, action, status, outcome, attempts, trace_id, applied_at)
SELECT %(tenant_id)s, c.command_id, c.delivery_id, c.replay_id, c.action, c.status, c.outcome, c.attempts, c.trace_id,
    %(applied_at)s
FROM json_to_recordset(%(rows)s::json) AS c (
    command_id uuid, delivery_id uuid, replay_id uuid, action text, status text, outcome json, attempts integer,
    trace_id text
)
ORDER BY c.command_id
ON CONFLICT (tenant_id, command_id) DO NOTHING

-- name: lock_mappings
SELECT realm_id, entity_id
FROM external_entity_mappings
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s AND entity_type = %(entity_type)s
    AND external_id = %(external_id)s
ORDER BY realm_id
FOR UPDATE

-- name: find_mapping_of_entity
SELECT external_id
FROM external_entity_mappings
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s AND entity_type = %(entity_type)s
    AND entity_id = %(entity_id)s

-- name: insert_mapping
INSERT INTO external_entity_mappings
    (tenant_id, mapping_id, webhook_id, entity_type, external_id, realm_id, entity_id, delivery_id,
    last_synced_at)
VALUES (%(tenant_id)s, %(mapping_id)s, %(webhook_id)s, %(entity_type)s, %(external_id)s, %(realm_id)s,
    %(entity_id)s, %(delivery_id)s, %(now)s)
ON CONFLICT DO NOTHING

-- name: lock_many_mappings
SELECT m.webhook_id, m.external_id, m.realm_id, m.entity_id
FROM json_to_recordset(%(wanted)s::json) AS w (webhook_id uuid, external_id text)
JOIN external_entity_mappings AS m
    ON m.tenant_id = %(tenant_id)s AND m.webhook_id = w.webhook_id AND m.entity_type = %(entity_type)s
    AND m.external_id = w.external_id
ORDER BY m.webhook_id, m.external_id, m.realm_id
FOR UPDATE OF m

-- name: insert_mappings
INSERT INTO external_entity_mappings
    (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id, delivery_id, last_synced_at)
SELECT %(tenant_id)s, m.mapping_id, m.webhook_id, %(entity_type)s, m.external_id, m.entity_id, m.delivery_id, %(now)s
FROM json_to_recordset(%(rows)s::json) AS m (
    mapping_id uuid, webhook_id uuid, external_id text, entity_id uuid, delivery_id uuid
)
ORDER BY m.webhook_id, m.external_id
ON CONFLICT DO NOTHING

-- name: find_mappings_of_entities
SELECT webhook_id, entity_id, external_id
FROM external_entity_mappings
WHERE tenant_id = %(tenant_id)s AND entity_type = %(entity_type)s AND entity_id = ANY(%(entity_ids)s)
    AND webhook_id = ANY(%(webhook_ids)s)
