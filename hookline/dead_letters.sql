-- name: become_relay
SET LOCAL ROLE hookline_relay

-- name: list_unowned
SELECT topic, partition, record_offset, stage, code, failed_at, record_bytes
FROM dead_letters
WHERE tenant_id IS NULL
ORDER BY failed_at DESC, letter_id DESC
LIMIT %(limit)s

-- name: find_unowned
SELECT 1 AS found
FROM dead_letters
WHERE tenant_id IS NULL AND topic = %(topic)s AND partition = %(partition)s AND record_offset = %(record_offset)s
