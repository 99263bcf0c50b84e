-- Parts are as in management/deliveries/queries.sql; `stored_columns` is of management/replaying.

-- name: find_last
SELECT toUnixTimestamp64Micro(received_at) AS at_us, delivery_id
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID} AND webhook_id = {webhook_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND isNotNull(raw_topic) AND isNull(replay_id) AND NOT ifNull(is_test, false) AND NOT ifNull(invalid_json, false)
ORDER BY received_at DESC, delivery_id DESC
LIMIT {limit:UInt32};

-- name: fetch
SELECT
    /*stored_columns*/
FROM deliveries FINAL
PREWHERE tenant_id = {tenant_id:UUID} AND webhook_id = {webhook_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at <= fromUnixTimestamp64Micro({until_us:Int64})
    AND delivery_id IN {found_delivery_id:Array(UUID)}
ORDER BY received_at DESC, delivery_id DESC;
