-- name: lock_webhook
SELECT sample_captured_at, sample_capture_expires_at
FROM webhooks
WHERE tenant_id = %(tenant_id)s AND id = %(webhook_id)s
FOR NO KEY UPDATE;

-- name: open_capture
UPDATE webhooks
SET sample_capture_started_at = now(), sample_capture_expires_at = now() + make_interval(secs => %(seconds)s)
WHERE tenant_id = %(tenant_id)s AND id = %(webhook_id)s
RETURNING sample_capture_expires_at;

-- name: clear_sample
UPDATE webhooks
SET sample_payload = NULL, sample_captured_at = NULL, sample_capture_started_at = NULL, sample_capture_expires_at = NULL
WHERE tenant_id = %(tenant_id)s AND id = %(webhook_id)s;

-- name: become_relay
SET LOCAL ROLE hookline_relay;

-- name: list_captures
SELECT tenant_id, id AS webhook_id, sample_capture_started_at AS started_at, sample_capture_expires_at AS expires_at
FROM webhooks
WHERE sample_capture_expires_at IS NOT NULL
ORDER BY sample_capture_started_at, tenant_id, id
LIMIT %(limit)s;

-- name: keep_sample
UPDATE webhooks
SET sample_payload = %(sample)s::json, sample_captured_at = to_timestamp(%(received_at_us)s::numeric / 1000000),
    sample_capture_started_at = NULL, sample_capture_expires_at = NULL
WHERE tenant_id = %(tenant_id)s AND id = %(webhook_id)s AND sample_capture_started_at = %(started_at)s;

-- name: end_capture
UPDATE webhooks
SET sample_capture_started_at = NULL, sample_capture_expires_at = NULL
WHERE tenant_id = %(tenant_id)s AND id = %(webhook_id)s AND sample_capture_started_at = %(started_at)s;
