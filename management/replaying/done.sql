-- What became of deliveries and of their replays.

-- name: read_states
SELECT delivery_id, ifNull(replayed_from, '') AS replayed_from, dispatch_status, duplicate_of
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID} AND webhook_id IN {webhook_ids:Array(UUID)}
    AND received_at >= fromUnixTimestamp64Micro({from_us:Int64})
    AND received_at <= fromUnixTimestamp64Micro({until_us:Int64})
    AND delivery_id IN {delivery_ids:Array(UUID)}
UNION ALL
SELECT delivery_id, ifNull(replayed_from, '') AS replayed_from, dispatch_status, duplicate_of
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID} AND webhook_id IN {webhook_ids:Array(UUID)}
    AND received_at >= fromUnixTimestamp64Micro({from_us:Int64})
    AND replayed_from IN {delivery_texts:Array(String)}
