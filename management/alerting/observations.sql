-- name: read_outcomes
SELECT
    tenant_id, webhook_id,
    uniqIf(delivery_id, status != 'pending') AS finished,
    uniqIf(delivery_id, status = 'failed') AS failed,
    uniqIf(delivery_id, milliseconds > {low_ms:Float64}) AS late_low,
    uniqIf(delivery_id, milliseconds > {normal_ms:Float64}) AS late_normal,
    uniqIf(delivery_id, milliseconds > {high_ms:Float64}) AS late_high,
    uniqIf(delivery_id, milliseconds > {critical_ms:Float64}) AS late_critical
FROM
(
    SELECT
        tenant_id, webhook_id, delivery_id, coalesce(handled_status, processed_status, 'pending') AS status,
        if(status = 'pending', 0, ifNull(dateDiff('millisecond', received_at, coalesce(handled_at, processed_at)), 0))
            AS milliseconds
    FROM deliveries
    WHERE received_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
        AND received_at < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
        AND NOT ifNull(is_test, false) AND isNull(replay_id)
)
GROUP BY tenant_id, webhook_id
HAVING failed > 0 OR late_low > 0 OR late_normal > 0 OR late_high > 0 OR late_critical > 0;

-- name: read_rejections
SELECT tenant_id, webhook_id, sum(count) AS refused, arraySort(groupUniqArray(8)(reason)) AS reasons
FROM rejections FINAL
WHERE rejected_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    AND rejected_at < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
    AND webhook_id != toUUID('00000000-0000-0000-0000-000000000000')
    AND has({reasons:Array(String)}, reason)
GROUP BY tenant_id, webhook_id;

-- name: read_undecodable
SELECT topic, count() AS records
FROM undecodable_records FINAL
WHERE consumed_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
GROUP BY topic;

-- name: list_silent
SELECT tenant_id, webhook_id, toUnixTimestamp64Micro(max(last_triggered_at)) AS last_us
FROM webhook_totals
GROUP BY tenant_id, webhook_id
HAVING last_us > 0 AND last_us < {before_us:Int64};

-- name: list_speaking
SELECT tenant_id, webhook_id
FROM webhook_totals
WHERE (tenant_id, webhook_id) > (toUUID({after_tenant_id:String}), toUUID({after_webhook_id:String}))
GROUP BY tenant_id, webhook_id
HAVING max(last_triggered_at) >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
ORDER BY tenant_id, webhook_id
LIMIT {webhooks_max:UInt32};

-- name: read_active_hours
SELECT tenant_id, webhook_id, arraySort(groupUniqArray(toUInt32(intDiv(toUnixTimestamp(hour), 3600)))) AS hours
FROM webhook_activity
WHERE (tenant_id, webhook_id) IN arrayZip({tenant_ids:Array(UUID)}, {webhook_ids:Array(UUID)})
    AND hour >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND triggers > 0
GROUP BY tenant_id, webhook_id;
