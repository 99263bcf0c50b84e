-- Frozen selections and what the log says of them; every statement is for one tenant.

-- name: freeze
INSERT INTO replay_selections
    (tenant_id, replay_id, attempt, raw_topic, raw_partition, raw_offset, delivery_id, origin_id, webhook_id, received_at,
    body_bytes)
SELECT
    tenant_id, {replay_id:UUID}, {attempt:UInt32}, ifNull(raw_topic, ''), ifNull(raw_partition, 0), ifNull(raw_offset, 0),
    delivery_id, ifNull(toUUIDOrNull(ifNull(replayed_from, '')), delivery_id), webhook_id, received_at,
    ifNull(body_bytes, 0)
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    /*conditions*/

-- name: with_ids
AND delivery_id IN {delivery_ids:Array(UUID)}

-- name: in_deleted_range
-- A topic that was made anew counts from 0 again: what was in the one before is not of these offsets.
AND raw_topic = {topic:String} AND raw_incarnation = {incarnation:String} AND raw_partition = {partition:UInt32}
    AND raw_offset >= {first_offset:UInt64} AND raw_offset < {end_offset:UInt64}

-- name: count_partitions
SELECT raw_topic, raw_partition, count() AS selected
FROM replay_selections FINAL
WHERE tenant_id = {tenant_id:UUID} AND replay_id = {replay_id:UUID} AND attempt = {attempt:UInt32}
GROUP BY raw_topic, raw_partition
ORDER BY raw_topic, raw_partition

-- name: list_found
SELECT delivery_id
FROM replay_selections FINAL
WHERE tenant_id = {tenant_id:UUID} AND replay_id = {replay_id:UUID} AND attempt = {attempt:UInt32}

-- name: page
SELECT raw_offset, delivery_id, origin_id, webhook_id, toUnixTimestamp64Micro(received_at) AS received_at_us,
    body_bytes
FROM replay_selections FINAL
WHERE tenant_id = {tenant_id:UUID} AND replay_id = {replay_id:UUID} AND attempt = {attempt:UInt32}
    AND raw_topic = {topic:String} AND raw_partition = {partition:UInt32} AND raw_offset >= {last_offset:UInt64}
    AND (raw_offset, delivery_id) > ({last_offset:UInt64}, {last_delivery_id:UUID})
ORDER BY raw_offset, delivery_id
LIMIT {limit:UInt32}

-- name: count_outcomes
SELECT dispatch_status, count() AS deliveries
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID} AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND replay_id = {replay_id:String}
GROUP BY dispatch_status

-- name: read_stored
SELECT
    /*stored_columns*/
FROM deliveries FINAL
PREWHERE tenant_id = {tenant_id:UUID} AND webhook_id IN {webhook_ids:Array(UUID)}
    AND received_at >= fromUnixTimestamp64Micro({from_us:Int64})
    AND received_at <= fromUnixTimestamp64Micro({until_us:Int64})
    AND delivery_id IN {delivery_ids:Array(UUID)}

-- name: read_outcomes
SELECT delivery_id, dispatch_status, error_code
FROM deliveries FINAL
PREWHERE tenant_id = {tenant_id:UUID} AND webhook_id IN {webhook_ids:Array(UUID)}
    AND received_at >= fromUnixTimestamp64Micro({from_us:Int64})
    AND received_at <= fromUnixTimestamp64Micro({until_us:Int64})
    AND delivery_id IN {delivery_ids:Array(UUID)}
