-- name: list_tenants
SELECT tenant_id FROM delivery_replays WHERE change IS NOT NULL OR replayed_at < now() - interval '7 days'
UNION
SELECT tenant_id FROM replay_counts WHERE last_at < now() - interval '7 days';

-- name: page_changes
SELECT delivery_id, webhook_id, replayed_at
FROM delivery_replays
WHERE tenant_id = %(tenant_id)s AND change IS NOT NULL AND delivery_id > %(after)s
ORDER BY delivery_id
LIMIT %(limit)s;

-- name: find_without_bodies
-- Of those whose request is in the log.
SELECT delivery_id
FROM deliveries FINAL
PREWHERE tenant_id = {tenant_id:UUID}
    AND webhook_id IN {webhook_ids:Array(UUID)}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at <= fromUnixTimestamp64Micro({until_us:Int64})
    AND delivery_id IN {delivery_ids:Array(UUID)}
WHERE isNotNull(raw_topic) AND (isNull(deliveries.body) OR isNotNull(erased_at)
    OR ifNull(body_expires_at, toDateTime(received_at) + INTERVAL 30 DAY) <= now());

-- name: forget_changes
UPDATE delivery_replays SET change = NULL
WHERE tenant_id = %(tenant_id)s AND delivery_id = ANY(%(delivery_ids)s::uuid[]);

-- name: kept_days
-- The longest that any row of the tenant's log is kept.
SELECT greatest(t.row_retention_days, (
    SELECT max((w.retention_days ->> 'rows')::integer) FROM webhooks w WHERE w.tenant_id = %(tenant_id)s
)) AS days
FROM tenants t
WHERE t.id = %(tenant_id)s;

-- name: delete_replays
DELETE FROM delivery_replays
WHERE tenant_id = %(tenant_id)s AND replayed_at < now() - make_interval(days => %(days)s);

-- name: delete_counts
DELETE FROM replay_counts
WHERE tenant_id = %(tenant_id)s AND last_at < now() - make_interval(days => %(days)s);
