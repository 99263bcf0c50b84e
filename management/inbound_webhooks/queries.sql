-- name: load_webhooks
SELECT
    w.tenant_id, w.id, w.version, w.name, w.slug, w.description, w.is_active, w.auth_type, w.auth_config,
    w.idempotency_source, w.idempotency_window_seconds, w.ordering_key, w.handler_type, w.handler_config, w.filters,
    w.metadata, w.enrichment, w.redact_paths, w.handshake, w.validation, w.priority, w.rate_limit_per_minute,
    w.max_body_bytes, w.replay_count_max, w.retention_days,
    w.sample_payload IS NOT NULL AS has_sample, w.sample_captured_at, w.sample_capture_expires_at,
    CASE WHEN %(with_sample)s THEN w.sample_payload::text END AS sample_text, w.auto_disabled_at, w.created_by,
    w.created_at, w.updated_at,
    (
        SELECT coalesce(
            json_agg(
                json_build_object(
                    'slot', s.slot, 'sealed', s.sealed, 'valid_until', s.valid_until, 'created_at', s.created_at
                )
                ORDER BY s.slot
            ),
            '[]'
        )
        FROM webhook_secrets s
        WHERE s.tenant_id = w.tenant_id AND s.webhook_id = w.id
    ) AS secrets
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS wanted (id, place)
JOIN webhooks w ON w.tenant_id = %(tenant_id)s AND w.id = wanted.id
ORDER BY wanted.place

-- name: lock_webhook
SELECT id FROM webhooks WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR NO KEY UPDATE

-- name: lock_webhook_to_delete
SELECT id FROM webhooks WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: count_webhooks
SELECT count(*) AS total
FROM webhooks w
WHERE w.tenant_id = %(tenant_id)s
    AND (%(slug)s::text IS NULL OR w.slug = %(slug)s)
    AND (%(pattern)s::text IS NULL
        OR w.name ILIKE %(pattern)s OR w.slug ILIKE %(pattern)s OR w.description ILIKE %(pattern)s)
    AND (%(is_active)s::boolean IS NULL OR w.is_active = %(is_active)s)
    AND (%(handler_type)s::text IS NULL OR w.handler_type = %(handler_type)s)
    AND (%(action)s::text IS NULL OR w.handler_config ->> 'action' = %(action)s)
    AND (%(priority)s::smallint IS NULL OR w.priority = %(priority)s)
    AND (%(auth_type)s::text IS NULL OR w.auth_type = %(auth_type)s)

-- name: find_webhooks
-- The filters of count_webhooks once more: one statement for both cannot walk the index of names, and takes six times as
-- long for a page of 10,000 webhooks.
SELECT w.id
FROM webhooks w
WHERE w.tenant_id = %(tenant_id)s
    AND (%(slug)s::text IS NULL OR w.slug = %(slug)s)
    AND (%(pattern)s::text IS NULL
        OR w.name ILIKE %(pattern)s OR w.slug ILIKE %(pattern)s OR w.description ILIKE %(pattern)s)
    AND (%(is_active)s::boolean IS NULL OR w.is_active = %(is_active)s)
    AND (%(handler_type)s::text IS NULL OR w.handler_type = %(handler_type)s)
    AND (%(action)s::text IS NULL OR w.handler_config ->> 'action' = %(action)s)
    AND (%(priority)s::smallint IS NULL OR w.priority = %(priority)s)
    AND (%(auth_type)s::text IS NULL OR w.auth_type = %(auth_type)s)
ORDER BY
    CASE WHEN %(sort)s = 'name' THEN lower(w.name) END,
    CASE WHEN %(sort)s = '-name' THEN lower(w.name) END DESC,
    CASE WHEN %(sort)s = 'slug' THEN w.slug END,
    CASE WHEN %(sort)s = '-slug' THEN w.slug END DESC,
    CASE WHEN %(sort)s = 'priority' THEN w.priority END,
    CASE WHEN %(sort)s = '-priority' THEN w.priority END DESC,
    CASE WHEN %(sort)s = 'created_at' THEN w.created_at END,
    CASE WHEN %(sort)s = '-created_at' THEN w.created_at END DESC,
    CASE WHEN %(sort)s = 'updated_at' THEN w.updated_at END,
    CASE WHEN %(sort)s = '-updated_at' THEN w.updated_at END DESC,
    w.id
LIMIT %(limit)s OFFSET %(offset)s

-- name: insert_webhook
INSERT INTO webhooks
    (tenant_id, id, version, name, slug, description, is_active, auth_type, auth_config, idempotency_source,
    idempotency_window_seconds, ordering_key, handler_type, handler_config, filters, metadata, enrichment, redact_paths,
    handshake, validation, priority, rate_limit_per_minute, max_body_bytes, replay_count_max, retention_days,
    created_by)
VALUES
    (%(tenant_id)s, %(id)s, 1, %(name)s, %(slug)s, %(description)s, %(is_active)s, %(auth_type)s, %(auth_config)s,
    %(idempotency_source)s, %(idempotency_window_seconds)s, %(ordering_key)s, %(handler_type)s, %(handler_config)s,
    %(filters)s, %(metadata)s, %(enrichment)s, %(redact_paths)s, %(handshake)s, %(validation)s, %(priority)s,
    %(rate_limit_per_minute)s, %(max_body_bytes)s, %(replay_count_max)s, %(retention_days)s, %(created_by)s)

-- name: update_webhook
UPDATE webhooks
SET version = version + 1, name = %(name)s, slug = %(slug)s, description = %(description)s, is_active = %(is_active)s,
    auth_type = %(auth_type)s, auth_config = %(auth_config)s, idempotency_source = %(idempotency_source)s,
    idempotency_window_seconds = %(idempotency_window_seconds)s, ordering_key = %(ordering_key)s,
    handler_type = %(handler_type)s, handler_config = %(handler_config)s, filters = %(filters)s,
    metadata = %(metadata)s, enrichment = %(enrichment)s, redact_paths = %(redact_paths)s, handshake = %(handshake)s,
    validation = %(validation)s, priority = %(priority)s,
    rate_limit_per_minute = %(rate_limit_per_minute)s, max_body_bytes = %(max_body_bytes)s, replay_count_max = %(replay_count_max)s,
    retention_days = %(retention_days)s,
    auto_disabled_at = CASE WHEN %(is_active)s THEN NULL ELSE auto_disabled_at END, updated_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: switch_webhook
UPDATE webhooks
SET version = version + 1, is_active = %(is_active)s, updated_at = now(),
    auto_disabled_at = CASE WHEN %(is_active)s THEN NULL ELSE auto_disabled_at END
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: touch_webhook
UPDATE webhooks SET version = version + 1, updated_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete_webhook
DELETE FROM webhooks WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: webhooks_that_name
SELECT slug
FROM webhooks
WHERE tenant_id = %(tenant_id)s AND handler_config -> 'options' ->> 'external_ids_of' = %(id)s::text
    AND id <> %(id)s
ORDER BY slug
LIMIT 10

-- name: count_of_tenant
SELECT count(*) AS webhooks FROM webhooks WHERE tenant_id = %(tenant_id)s

-- name: slug_is_taken
SELECT EXISTS (
    SELECT FROM webhooks WHERE tenant_id = %(tenant_id)s AND slug = %(slug)s AND (%(id)s::uuid IS NULL OR id <> %(id)s)
) AS taken

-- name: lock_namespaces
SELECT pg_advisory_xact_lock(hashtextextended('webhook_namespaces:' || %(tenant_id)s::text, 0))

-- name: namespace_target
SELECT handler_config -> 'options' ->> 'external_ids_of' AS external_ids_of
FROM webhooks
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
FOR KEY SHARE
