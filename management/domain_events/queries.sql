-- name: read_events
SELECT tenant_id, event_id, event_type, entity_id, created_at, bytes, hops, payload
FROM (
    SELECT
        position, tenant_id, event_id, event_type, entity_id, created_at,
        octet_length(payload::text) AS bytes,
        coalesce(payload ->> 'hops', '0') AS hops,
        CASE WHEN octet_length(payload::text) <= %(event_bytes_max)s THEN payload::text END AS payload,
        sum(octet_length(payload::text)) OVER (ORDER BY position) - octet_length(payload::text) AS bytes_before
    FROM (
        SELECT position, tenant_id, event_id, event_type, entity_id, created_at, payload
        FROM outbox
        ORDER BY position
        LIMIT %(events_max)s
    ) oldest
) measured
WHERE bytes_before < %(batch_bytes_max)s
ORDER BY position

-- name: delete_events
DELETE FROM outbox o
USING unnest(%(tenant_ids)s::uuid[], %(event_ids)s::uuid[]) AS published (tenant_id, event_id)
WHERE o.tenant_id = published.tenant_id AND o.event_id = published.event_id

-- name: count_events
SELECT
    count(*) AS events,
    coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::double precision AS oldest_seconds
FROM outbox
