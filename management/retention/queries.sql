-- name: read_tenants
SELECT id AS tenant_id, body_retention_days, row_retention_days, rejection_retention_days
FROM tenants
WHERE body_retention_days <> 30 OR row_retention_days <> 400 OR rejection_retention_days <> 14
    OR id = ANY(%(tenant_ids)s::uuid[])

-- name: read_webhooks
-- Those with days of their own, and those that had some.
SELECT tenant_id, id AS webhook_id, (retention_days ->> 'bodies')::integer AS bodies,
    (retention_days ->> 'rows')::integer AS rows
FROM webhooks
WHERE retention_days IS NOT NULL
UNION
SELECT w.tenant_id, w.id, (w.retention_days ->> 'bodies')::integer, (w.retention_days ->> 'rows')::integer
FROM unnest(%(tenant_ids)s::uuid[], %(webhook_ids)s::uuid[]) AS known (tenant_id, webhook_id)
JOIN webhooks w ON w.tenant_id = known.tenant_id AND w.id = known.webhook_id
