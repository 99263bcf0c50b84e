-- name: page_samples
SELECT id AS webhook_id, sample_captured_at AS captured_at, sample_payload::text AS content
FROM webhooks
WHERE tenant_id = %(tenant_id)s AND (%(webhook_id)s::uuid IS NULL OR id = %(webhook_id)s) AND id > %(after_webhook_id)s
    AND sample_payload IS NOT NULL AND sample_captured_at < %(until)s
ORDER BY id
LIMIT %(limit)s

-- name: page_tests
SELECT webhook_id, test_id, request
FROM webhook_tests
WHERE tenant_id = %(tenant_id)s AND (%(webhook_id)s::uuid IS NULL OR webhook_id = %(webhook_id)s)
    AND (webhook_id, test_id) > (%(after_webhook_id)s, %(after_test_id)s) AND tested_at < %(until)s
ORDER BY webhook_id, test_id
LIMIT %(limit)s

-- name: clear_sample
UPDATE webhooks
SET sample_payload = NULL, sample_captured_at = NULL
WHERE tenant_id = %(tenant_id)s AND id = %(webhook_id)s
    AND sample_captured_at = to_timestamp(%(captured_at_us)s::numeric / 1000000)

-- name: delete_test
DELETE FROM webhook_tests
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s AND test_id = %(test_id)s

-- name: delete_tests_of
DELETE FROM webhook_tests WHERE tenant_id = %(tenant_id)s AND delivery_id = %(delivery_id)s

-- name: count_cleared
UPDATE erasures
SET samples_cleared = samples_cleared + %(samples)s, tests_cleared = tests_cleared + %(tests)s
WHERE tenant_id = %(tenant_id)s AND id = %(erasure_id)s

-- name: cleared
SELECT samples_cleared AS samples, tests_cleared AS tests
FROM erasures
WHERE tenant_id = %(tenant_id)s AND id = %(erasure_id)s
