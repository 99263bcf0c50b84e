-- Blocks without a statement are parts: /*name*/ stands for the block of that name, or for a text made of such blocks.

-- name: shown_columns
rejection_id, toUnixTimestamp64Micro(rejected_at) AS rejected_at_us, webhook_id, method, path, headers,
    source_ip, user_agent, reason, rejections.count AS count;

-- name: count
SELECT count() AS total
FROM
(
    SELECT 1
    FROM rejections FINAL
    WHERE tenant_id = {tenant_id:UUID}
        AND rejected_at >= fromUnixTimestamp64Micro({since_us:Int64})
        AND rejected_at < fromUnixTimestamp64Micro({until_us:Int64})
        /*conditions*/
    LIMIT {total_max:UInt32}
);

-- name: find
SELECT toUnixTimestamp64Micro(rejected_at) AS at_us, rejection_id
FROM rejections FINAL
WHERE tenant_id = {tenant_id:UUID}
    AND rejected_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND rejected_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({before_us:Int64} = 0 OR (rejected_at, rejection_id) < (fromUnixTimestamp64Micro({before_us:Int64}), {before_id:UUID}))
    /*conditions*/
ORDER BY rejected_at DESC, rejection_id DESC
LIMIT {limit:UInt32} OFFSET {offset:UInt32};

-- name: fetch
SELECT
    /*shown_columns*/
FROM rejections FINAL
WHERE tenant_id = {tenant_id:UUID}
    AND rejected_at >= fromUnixTimestamp64Micro({from_us:Int64})
    AND rejected_at <= fromUnixTimestamp64Micro({until_us:Int64})
    AND rejection_id IN {found_rejection_id:Array(UUID)}
ORDER BY rejected_at DESC, rejection_id DESC;

-- name: export
SELECT
    /*shown_columns*/
FROM rejections FINAL
WHERE tenant_id = {tenant_id:UUID}
    AND rejected_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND rejected_at < fromUnixTimestamp64Micro({until_us:Int64})
    /*conditions*/
ORDER BY tenant_id, rejections.rejected_at, rejection_id;

-- name: get
SELECT
    /*shown_columns*/, raw_incarnation, raw_partition, raw_offset
FROM rejections FINAL
WHERE tenant_id = {tenant_id:UUID} AND rejection_id = {rejection_id:UUID}
LIMIT 1;

-- name: where_webhook_id
AND webhook_id IN {webhook_id:Array(UUID)};

-- name: where_reason
AND reason IN {reason:Array(String)};

-- name: where_method
AND method IN {method:Array(String)};

-- name: where_source_ip
AND (isIPv4String(source_ip) OR isIPv6String(source_ip))
    AND arrayExists(
        network -> isIPAddressInRange(if(isIPv4String(source_ip) OR isIPv6String(source_ip), source_ip, '::'), network),
        {source_ip:Array(String)});
