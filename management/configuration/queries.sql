-- name: enqueue
INSERT INTO configuration_outbox (tenant_id, webhook_id) VALUES (%(tenant_id)s, %(webhook_id)s)

-- name: read_records
SELECT
    w.tenant_id, t.slug AS tenant_slug, w.id AS webhook_id, w.slug, w.name, w.version, w.auth_type, w.auth_config,
    w.is_active AND t.inbound_webhooks_enabled AND 'webhooks' = ANY(t.entitlements) AS is_active,
    w.idempotency_source, w.idempotency_window_seconds, w.ordering_key, w.handler_type, w.handler_config, w.filters,
    w.metadata, w.enrichment, w.redact_paths, w.handshake, w.validation, w.priority, w.rate_limit_per_minute,
    w.max_body_bytes, w.replay_count_max,
    (
        SELECT coalesce(
            jsonb_agg(
                jsonb_build_object(
                    'sealed', s.sealed,
                    'valid_until_us', (extract(epoch FROM s.valid_until) * 1000000)::bigint
                )
                ORDER BY s.slot
            ),
            '[]'
        )
        FROM webhook_secrets s
        WHERE s.tenant_id = w.tenant_id AND s.webhook_id = w.id
    ) AS secrets
FROM unnest(%(tenant_ids)s::uuid[], %(webhook_ids)s::uuid[]) AS wanted (tenant_id, webhook_id)
JOIN webhooks w ON w.tenant_id = wanted.tenant_id AND w.id = wanted.webhook_id
JOIN tenants t ON t.id = w.tenant_id

-- name: listen
LISTEN hookline_configuration

-- name: read_changes
SELECT tenant_id, change_id, webhook_id, created_at FROM configuration_outbox ORDER BY position LIMIT %(limit)s

-- name: delete_changes
DELETE FROM configuration_outbox o
USING unnest(%(tenant_ids)s::uuid[], %(change_ids)s::uuid[]) AS published (tenant_id, change_id)
WHERE o.tenant_id = published.tenant_id AND o.change_id = published.change_id

-- name: count_changes
SELECT
    count(*) AS changes,
    coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::double precision AS oldest_seconds
FROM configuration_outbox

-- name: page_webhooks
SELECT tenant_id, id AS webhook_id
FROM webhooks
WHERE (tenant_id, id) > (%(tenant_id)s, %(webhook_id)s)
ORDER BY tenant_id, id
LIMIT %(limit)s
