-- What deliveries and rejections of the range come to by one key, `key`, and in all (the row with `is_total`). The key is
-- a webhook, or, where `bucket_seconds` is not 0, the beginning of a bucket in seconds since the epoch.
-- name: measure
SELECT
    grouping(key) = 1 AS is_total,
    key,
    uniqExactIf(webhook_id, webhook_id != toUUID('00000000-0000-0000-0000-000000000000')) AS webhooks,
    countIf(status != 'rejected') AS received,
    countIf(status = 'dispatched') AS dispatched,
    countIf(status = 'duplicate') AS duplicate,
    countIf(status = 'filtered') AS filtered,
    countIf(status = 'failed') AS failed,
    received - dispatched - duplicate - filtered - failed AS pending,
    sum(rejected) AS rejections,
    sum(bytes) AS body_bytes,
    quantilesDDIf(0.01, 0.5, 0.95, 0.99)(took_us, took_us >= 0) AS took_quantiles_us,
    sumForEach(arrayMap(target_us -> toUInt64(took_us > target_us), {targets_us:Array(Int64)})) AS late
FROM
(
    SELECT
        webhook_id, dispatch_status AS status, ifNull(body_bytes, 0) AS bytes, 0 AS rejected,
        if(status = 'pending' OR isNull(recorded_at), -1,
            greatest(0, dateDiff('microsecond', received_at, assumeNotNull(recorded_at)))) AS took_us,
        if({bucket_seconds:UInt32} = 0, toString(webhook_id), toString(
            intDiv(toUnixTimestamp(received_at), {bucket_seconds:UInt32}) * {bucket_seconds:UInt32})) AS key
    FROM deliveries FINAL
    WHERE tenant_id = {tenant_id:UUID}
        AND ({webhook_id:String} = '' OR webhook_id = toUUIDOrZero({webhook_id:String}))
        AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
        AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
        AND NOT ifNull(is_test, false) AND isNull(replay_id)
    UNION ALL
    SELECT
        webhook_id, 'rejected' AS status, 0 AS bytes, rejections.count AS rejected, -1 AS took_us,
        if({bucket_seconds:UInt32} = 0, toString(webhook_id), toString(
            intDiv(toUnixTimestamp(rejected_at), {bucket_seconds:UInt32}) * {bucket_seconds:UInt32})) AS key
    FROM rejections FINAL
    WHERE tenant_id = {tenant_id:UUID}
        AND ({webhook_id:String} = '' OR webhook_id = toUUIDOrZero({webhook_id:String}))
        AND rejected_at >= fromUnixTimestamp64Micro({since_us:Int64})
        AND rejected_at < fromUnixTimestamp64Micro({until_us:Int64})
)
GROUP BY GROUPING SETS ((), (key))
HAVING is_total OR key != '00000000-0000-0000-0000-000000000000'
ORDER BY is_total DESC, received DESC, key
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
SETTINGS max_execution_time = 20, do_not_merge_across_partitions_select_final = 1;

-- name: find_webhooks
SELECT id, slug, priority
FROM webhooks
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s::uuid[])
