-- What the log says of deliveries whose letters are shown, or tried again.

-- name: read_deliveries
SELECT delivery_id, isNotNull(erased_at) AS is_erased, dispatch_status
FROM deliveries FINAL
PREWHERE tenant_id = {tenant_id:UUID} AND delivery_id IN {delivery_id:Array(UUID)}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
