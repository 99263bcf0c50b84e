-- name: get_tenant
SELECT
    id, slug, name, entitlements, inbound_webhooks_enabled, api_requests_per_minute, body_retention_days,
    row_retention_days, rejection_retention_days, created_at, updated_at
FROM tenants WHERE id = %(tenant_id)s;

-- name: lock_tenant
SELECT id FROM tenants WHERE id = %(tenant_id)s FOR NO KEY UPDATE;

-- name: update_tenant
UPDATE tenants
SET name = %(name)s, body_retention_days = %(body_retention_days)s, row_retention_days = %(row_retention_days)s,
    rejection_retention_days = %(rejection_retention_days)s, updated_at = now()
WHERE id = %(tenant_id)s;
