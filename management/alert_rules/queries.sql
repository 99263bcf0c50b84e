-- name: list_overrides
SELECT rule, webhook_id, parameters
FROM alert_rules
WHERE tenant_id = %(tenant_id)s AND (webhook_id IS NULL OR webhook_id = %(webhook_id)s);

-- name: lock_override
SELECT parameters
FROM alert_rules
WHERE tenant_id = %(tenant_id)s AND rule = %(rule)s AND webhook_id IS NOT DISTINCT FROM %(webhook_id)s
FOR UPDATE;

-- name: write_override
INSERT INTO alert_rules (tenant_id, rule, webhook_id, parameters, updated_by)
VALUES (%(tenant_id)s, %(rule)s, %(webhook_id)s, %(parameters)s, %(by)s)
ON CONFLICT (tenant_id, rule, webhook_id)
    DO UPDATE SET parameters = excluded.parameters, updated_by = excluded.updated_by, updated_at = now();

-- name: delete_override
DELETE FROM alert_rules
WHERE tenant_id = %(tenant_id)s AND rule = %(rule)s AND webhook_id IS NOT DISTINCT FROM %(webhook_id)s;

-- name: find_webhook
SELECT id FROM webhooks WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR KEY SHARE;
