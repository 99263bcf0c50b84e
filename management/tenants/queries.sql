-- name: get_tenant
SELECT id, slug, name, entitlements, inbound_webhooks_enabled, api_requests_per_minute, created_at, updated_at
FROM tenants WHERE id = %(tenant_id)s;

-- name: rename_tenant
UPDATE tenants SET name = %(name)s, updated_at = now() WHERE id = %(tenant_id)s AND name <> %(name)s;
