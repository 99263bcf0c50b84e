-- name: shown_columns
    topic, partition, record_offset, incarnation, letter_id, webhook_id, delivery_id, stage, code, failed_at, record_bytes,
    state, decided_at, decided_by, reason, replay_id, new_delivery_id, change_digest, published_at;

-- name: wanted
    tenant_id = %(tenant_id)s
    AND (%(since)s::timestamptz IS NULL OR failed_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR failed_at < %(until)s)
    AND (%(topic)s::text IS NULL OR topic = %(topic)s)
    AND (%(webhook_id)s::uuid IS NULL OR webhook_id = %(webhook_id)s)
    AND (%(stage)s::text IS NULL OR stage = %(stage)s)
    AND (%(code)s::text IS NULL OR code = %(code)s)
    AND (%(state)s::text IS NULL OR state = %(state)s);

-- name: count_letters
SELECT count(*) AS total FROM (SELECT 1 FROM dead_letters WHERE /*wanted*/ LIMIT %(total_max)s) AS counted;

-- name: list_letters
SELECT /*shown_columns*/
FROM dead_letters
WHERE /*wanted*/
    AND (%(before)s::timestamptz IS NULL OR (failed_at, letter_id) < (%(before)s, %(before_id)s::uuid))
ORDER BY failed_at DESC, letter_id DESC
LIMIT %(limit)s OFFSET %(offset)s;

-- name: get_letter
SELECT /*shown_columns*/
FROM dead_letters
WHERE tenant_id = %(tenant_id)s AND topic = %(topic)s AND partition = %(partition)s AND record_offset = %(record_offset)s;

-- name: find_webhook
SELECT
    w.redact_paths, coalesce((w.retention_days->>'bodies')::integer, t.body_retention_days) AS body_days
FROM tenants AS t
LEFT JOIN webhooks AS w ON w.tenant_id = t.id AND w.id = %(webhook_id)s
WHERE t.id = %(tenant_id)s;
