-- name: read_activity
SELECT
    webhook_id, sum(triggered) AS trigger_count, toUnixTimestamp64Micro(max(triggered_at)) AS last_triggered_at_us,
    sum(finished) AS finished_count, least(sum(failed), sum(finished)) AS failed_count
FROM
(
    SELECT webhook_id, triggers AS triggered, last_triggered_at AS triggered_at, 0 AS finished, 0 AS failed
    FROM webhook_totals
    WHERE tenant_id = {tenant_id:UUID} AND webhook_id IN {webhook_ids:Array(UUID)}
    UNION ALL
    SELECT
        webhook_id, 0 AS triggered, toDateTime64(0, 6, 'UTC') AS triggered_at,
        uniqMerge(finished_deliveries) AS finished, uniqMerge(failed_deliveries) AS failed
    FROM webhook_activity
    WHERE tenant_id = {tenant_id:UUID} AND webhook_id IN {webhook_ids:Array(UUID)}
        AND hour >= toStartOfHour(fromUnixTimestamp64Micro({since_us:Int64}, 'UTC'))
    GROUP BY webhook_id
)
GROUP BY webhook_id;
