-- name: delete_of_earlier_topic
DELETE FROM dead_letters WHERE topic = %(topic)s AND incarnation <> %(incarnation)s

-- name: delete_expired
DELETE FROM dead_letters WHERE topic = %(topic)s AND partition = %(partition)s AND record_offset < %(first_kept)s

-- name: read_next
SELECT record_offset + 1 AS next_offset
FROM dead_letters
WHERE topic = %(topic)s AND partition = %(partition)s
ORDER BY record_offset DESC
LIMIT 1

-- name: insert_letters
-- A tenant that is not there (any more) is nobody.
INSERT INTO dead_letters
    (tenant_id, topic, partition, record_offset, incarnation, letter_id, webhook_id, delivery_id, stage, code, failed_at,
    record_bytes)
SELECT t.id, l.topic, l.partition, l.record_offset, l.incarnation, l.letter_id, l.webhook_id, l.delivery_id, l.stage, l.code,
    '1970-01-01T00:00Z'::timestamptz + l.failed_us * interval '1 microsecond', l.record_bytes
FROM json_to_recordset(%(rows)s::json) AS l (
    tenant_id uuid, topic text, partition integer, record_offset bigint, incarnation text, letter_id uuid, webhook_id uuid,
    delivery_id uuid, stage text, code text, failed_us bigint, record_bytes bigint
)
LEFT JOIN tenants AS t ON t.id = l.tenant_id
ON CONFLICT (topic, partition, record_offset) DO NOTHING
