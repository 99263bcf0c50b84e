-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR failed_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR failed_at < %(until)s)
    AND (%(topic)s::text IS NULL OR topic = %(topic)s)
    AND (%(webhook_id)s::uuid IS NULL OR webhook_id = %(webhook_id)s)
    AND (%(stage)s::text IS NULL OR stage = %(stage)s)
    AND (%(code)s::text IS NULL OR code = %(code)s)
    AND (%(state)s::text IS NULL OR state = %(state)s)

-- name: count_letters
SELECT count(*) AS total
FROM (
    SELECT 1
    FROM dead_letters
    WHERE tenant_id = %(tenant_id)s
        /*where_wanted*/
    LIMIT %(total_max)s
) AS counted

-- name: list_letters
SELECT *
FROM dead_letters
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
    AND (%(before)s::timestamptz IS NULL OR (failed_at, letter_id) < (%(before)s::timestamptz, %(before_id)s::uuid))
ORDER BY failed_at DESC, letter_id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: list_open
-- The oldest first, in the order of their partitions, which is that of their keys.
SELECT topic, partition, record_offset
FROM dead_letters
WHERE tenant_id = %(tenant_id)s AND (state = 'open' OR (state = 'redriven' AND published_at IS NULL))
    /*where_wanted*/
ORDER BY topic, partition, record_offset
LIMIT %(limit)s

-- name: get_letter
SELECT *
FROM dead_letters
WHERE tenant_id = %(tenant_id)s AND topic = %(topic)s AND partition = %(partition)s
    AND record_offset = %(record_offset)s

-- name: lock_letters
SELECT d.*
FROM dead_letters AS d
JOIN unnest(%(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[]) AS wanted (topic, partition, record_offset)
    USING (topic, partition, record_offset)
WHERE d.tenant_id = %(tenant_id)s
ORDER BY d.topic, d.partition, d.record_offset
FOR UPDATE OF d

-- name: dismiss
UPDATE dead_letters
SET state = 'dismissed', decided_at = %(decided_at)s, decided_by = %(decided_by)s, reason = %(reason)s
WHERE tenant_id = %(tenant_id)s AND topic = %(topic)s AND partition = %(partition)s
    AND record_offset = %(record_offset)s AND state = 'open'

-- name: plan_redrive
UPDATE dead_letters
SET state = 'redriven', decided_at = %(decided_at)s, decided_by = %(decided_by)s, reason = %(reason)s,
    replay_id = %(replay_id)s, new_delivery_id = %(new_delivery_id)s, change_digest = %(change_digest)s
WHERE tenant_id = %(tenant_id)s AND topic = %(topic)s AND partition = %(partition)s
    AND record_offset = %(record_offset)s AND state = 'open'

-- name: note_published
UPDATE dead_letters AS d
SET published_at = %(at)s
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[]) AS wanted (topic, partition, record_offset)
WHERE d.tenant_id = %(tenant_id)s AND d.topic = wanted.topic AND d.partition = wanted.partition
    AND d.record_offset = wanted.record_offset AND d.state = 'redriven'

-- name: find_applied
SELECT command_id FROM applied_commands WHERE tenant_id = %(tenant_id)s AND command_id = ANY(%(command_ids)s::uuid[])

-- name: list_shown
SELECT
    w.id, w.redact_paths, coalesce((w.retention_days->>'bodies')::integer, t.body_retention_days) AS body_days
FROM tenants AS t
JOIN webhooks AS w ON w.tenant_id = t.id
WHERE t.id = %(tenant_id)s AND w.tenant_id = %(tenant_id)s AND w.id = ANY(%(webhook_ids)s::uuid[])

-- name: read_body_days
SELECT body_retention_days FROM tenants WHERE id = %(tenant_id)s
