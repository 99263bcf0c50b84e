-- name: count_rejections
SELECT count() AS total
FROM rejections FINAL
WHERE tenant_id = {tenant_id:UUID}
    AND ({webhook_id:String} = '' OR webhook_id = toUUIDOrZero({webhook_id:String}))
    AND rejected_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND rejected_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({reason:String} = '' OR reason = {reason:String});

-- name: list_rejections
SELECT
    rejection_id, toUnixTimestamp64Micro(rejected_at) AS rejected_at_us, webhook_id, method, path, headers,
    source_ip, user_agent, reason, rejections.count AS count
FROM rejections FINAL
WHERE tenant_id = {tenant_id:UUID}
    AND ({webhook_id:String} = '' OR webhook_id = toUUIDOrZero({webhook_id:String}))
    AND rejected_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND rejected_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({reason:String} = '' OR reason = {reason:String})
ORDER BY rejected_at DESC, rejection_id DESC
LIMIT {limit:UInt32} OFFSET {offset:UInt32};

-- name: get_rejection
SELECT
    rejection_id, toUnixTimestamp64Micro(rejected_at) AS rejected_at_us, webhook_id, method, path, headers,
    source_ip, user_agent, reason, rejections.count AS count
FROM rejections FINAL
WHERE tenant_id = {tenant_id:UUID} AND rejection_id = {rejection_id:UUID}
LIMIT 1;
