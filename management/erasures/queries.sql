-- name: count_open
SELECT count(*) AS erasures FROM erasures WHERE tenant_id = %(tenant_id)s AND closed_at IS NULL

-- name: insert_erasure
INSERT INTO erasures
    (tenant_id, id, kind, delivery_id, webhook_id, path, sealed_value, value_fingerprint, reason, asked_by, asked_at,
    in_force_until)
VALUES
    (%(tenant_id)s, %(id)s, %(kind)s, %(delivery_id)s, %(webhook_id)s, %(path)s, %(sealed_value)s,
    %(value_fingerprint)s, %(reason)s, %(asked_by)s, %(asked_at)s, %(in_force_until)s)

-- name: shown_columns
id, kind, status, delivery_id, webhook_id, path, value_fingerprint, reason, asked_by, asked_at, in_force_until,
    failure, receipt, receipt_hash

-- name: get_erasure
SELECT /*shown_columns*/
FROM erasures
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR asked_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR asked_at < %(until)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)

-- name: count_erasures
SELECT count(*) AS total
FROM erasures
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: list_erasures
SELECT /*shown_columns*/
FROM erasures
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY asked_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: list_due
SELECT tenant_id, id, kind, status, delivery_id, webhook_id, path, sealed_value, value_fingerprint, reason, asked_by,
    asked_at, in_force_until, removal, removed_at, entities, failure, receipt, receipt_hash
FROM erasures
WHERE closed_at IS NULL AND next_look_at <= now()
ORDER BY next_look_at
LIMIT %(limit)s

-- name: note_removal
UPDATE erasures
SET status = CASE WHEN status = 'done' THEN 'done' ELSE 'running' END, removal = %(removal)s, entities = %(entities)s, failure = NULL
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: note_wait
UPDATE erasures
SET status = CASE WHEN status = 'done' THEN 'done' ELSE 'running' END, failure = %(failure)s,
    next_look_at = now() + make_interval(secs => %(wait_seconds)s)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: note_done
UPDATE erasures
SET status = 'done', removal = NULL, removed_at = %(removed_at)s, failure = NULL, receipt = %(receipt)s,
    receipt_hash = %(receipt_hash)s, next_look_at = now() + make_interval(secs => %(wait_seconds)s)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: close_erasure
UPDATE erasures
SET status = %(status)s, failure = %(failure)s, closed_at = now(), sealed_value = NULL
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
