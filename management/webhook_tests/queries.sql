-- name: find_tested
SELECT slug, is_active, sample_payload::text AS sample_text
FROM webhooks
WHERE tenant_id = %(tenant_id)s AND id = %(webhook_id)s;

-- name: lock_webhook
SELECT id FROM webhooks WHERE tenant_id = %(tenant_id)s AND id = %(webhook_id)s FOR NO KEY UPDATE;

-- name: insert_test
INSERT INTO webhook_tests (tenant_id, webhook_id, test_id, tested_by, dry_run, request, answer, delivery_id)
VALUES (%(tenant_id)s, %(webhook_id)s, %(test_id)s, %(tested_by)s, %(dry_run)s, %(request)s, %(answer)s,
    %(delivery_id)s);

-- name: delete_older_tests
DELETE FROM webhook_tests
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s AND test_id NOT IN (
    SELECT test_id
    FROM webhook_tests
    WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s
    ORDER BY tested_at DESC, test_id DESC
    LIMIT %(limit)s
);

-- name: update_answer
UPDATE webhook_tests SET answer = %(answer)s
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s AND test_id = %(test_id)s;

-- name: list_tests
SELECT test_id, tested_at, tested_by, dry_run, request, answer, delivery_id
FROM webhook_tests
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s
ORDER BY tested_at DESC, test_id DESC
LIMIT %(limit)s;
