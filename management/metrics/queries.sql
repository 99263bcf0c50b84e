-- Minutes of webhooks in the range whose rows are not all counted, and the first of them (ADR 0017). Those older than six
-- days are never counted anew. Asked before the counts, it promises no more than they hold.
-- name: find_uncounted
SELECT count() AS minutes, min(minute_seconds) AS first_seconds
FROM
(
    SELECT toUnixTimestamp(minute) AS minute_seconds
    FROM rollup_marks
    WHERE tenant_id = {tenant_id:UUID}
        AND ({webhook_id:String} = '' OR webhook_id = toUUIDOrZero({webhook_id:String}))
        AND minute >= greatest(toDateTime({since_seconds:UInt32}, 'UTC'), now('UTC') - INTERVAL 6 DAY)
        AND minute < toDateTime({until_seconds:UInt32}, 'UTC')
    GROUP BY minute, webhook_id
    HAVING sum(marks) > max(counted)
);

-- What the rollup and the rejections of the range come to by one key, `key`, and in all (the row with `is_total`). The key
-- is a webhook, or, where `bucket_seconds` is not 0, the beginning of a bucket in seconds since the epoch. `rollup` is
-- delivery_minutes or delivery_hours and `span` its column of time.
-- name: measure
WITH arrayReduce('quantilesDDState(0.01, 0.5, 0.9, 0.95, 0.99)', emptyArrayUInt64()) AS nothing
SELECT
    grouping(key) = 1 AS is_total,
    key,
    uniqExactIf(webhook_id, webhook_id != toUUID('00000000-0000-0000-0000-000000000000')) AS webhooks,
    sum(counted.deliveries) AS received,
    sum(counted.dispatched) AS dispatched,
    sum(counted.duplicate) AS duplicate,
    sum(counted.filtered) AS filtered,
    sum(counted.failed) AS failed,
    sum(counted.pending) AS pending,
    sum(rejected) AS rejections,
    sum(counted.body_bytes) AS body_bytes,
    quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(total_us) AS took_quantiles_us,
    sumForEach(counted.late) AS late
FROM
(
    SELECT
        webhook_id, deliveries, dispatched, duplicate, filtered, failed, pending, 0 AS rejected, body_bytes, total_us, late,
        if({bucket_seconds:UInt32} = 0, toString(webhook_id), toString(toUnixTimestamp({span:Identifier}))) AS key
    FROM {rollup:Identifier} FINAL
    WHERE tenant_id = {tenant_id:UUID}
        AND ({webhook_id:String} = '' OR webhook_id = toUUIDOrZero({webhook_id:String}))
        AND {span:Identifier} >= toDateTime({since_seconds:UInt32}, 'UTC')
        AND {span:Identifier} < toDateTime({until_seconds:UInt32}, 'UTC')
        AND traffic = 'live'
    UNION ALL
    SELECT
        webhook_id, 0, 0, 0, 0, 0, 0, rejections.count, 0, nothing, [],
        if({bucket_seconds:UInt32} = 0, toString(webhook_id), toString(
            intDiv(toUnixTimestamp(rejected_at), {bucket_seconds:UInt32}) * {bucket_seconds:UInt32}))
    FROM rejections FINAL
    WHERE tenant_id = {tenant_id:UUID}
        AND ({webhook_id:String} = '' OR webhook_id = toUUIDOrZero({webhook_id:String}))
        AND rejected_at >= toDateTime64({since_seconds:UInt32}, 6, 'UTC')
        AND rejected_at < toDateTime64({until_seconds:UInt32}, 6, 'UTC')
) AS counted
GROUP BY GROUPING SETS ((), (key))
HAVING is_total OR key != '00000000-0000-0000-0000-000000000000'
ORDER BY is_total DESC, received DESC, key
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
SETTINGS max_execution_time = 20, do_not_merge_across_partitions_select_final = 1;

-- name: read_tenant
SELECT rejection_retention_days
FROM tenants
WHERE id = %(tenant_id)s;

-- name: find_webhooks
SELECT id, slug, priority
FROM webhooks
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s::uuid[])
