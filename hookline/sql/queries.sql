-- name: find_tenant
SELECT id FROM tenants WHERE slug = %(slug)s

-- name: count_deliveries
SELECT count() AS rows
FROM deliveries FINAL
WHERE received_at >= fromUnixTimestamp64Micro({since_us:Int64}) AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({webhook:String} = '' OR webhook_slug = {webhook:String})

-- name: export_deliveries
SELECT
    toString(tenant_id) AS tenant_id, toString(webhook_id) AS webhook_id, webhook_slug,
    toString(delivery_id) AS delivery_id, received_at, config_version, idempotency_key,
    request_method, request_path, request_query, request_headers, content_type,
    multiIf(isNull(deliveries.body), toValidUTF8(body_head), isValidUTF8(assumeNotNull(deliveries.body)), deliveries.body,
        base64Encode(assumeNotNull(deliveries.body))) AS body,
    if(isNotNull(deliveries.body) AND NOT isValidUTF8(assumeNotNull(deliveries.body)), 'base64', 'text') AS body_encoding,
    body_bytes, isNull(deliveries.body) AND body_bytes > length(body_head) AS body_truncated, body_redacted,
    source_ip, user_agent, location_country_code, metadata, ingress_us, response_status,
    dispatch_status, recorded_at, handler_outcome, error_code, error_message, error_path, duplicate_of, attempts,
    is_test, replay_id, replayed_from, trace_id, raw_topic, raw_partition, raw_offset
FROM deliveries FINAL
WHERE received_at >= fromUnixTimestamp64Micro({since_us:Int64}) AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({webhook:String} = '' OR webhook_slug = {webhook:String})

-- name: count_rejections
SELECT count() AS rows
FROM rejections FINAL
WHERE rejected_at >= fromUnixTimestamp64Micro({since_us:Int64}) AND rejected_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({webhook:String} = '' OR splitByChar('/', path)[5] = {webhook:String})

-- name: export_rejections
SELECT
    toString(tenant_id) AS tenant_id, toString(webhook_id) AS webhook_id, toString(rejection_id) AS rejection_id,
    rejected_at, method, path, headers, source_ip, user_agent, reason, count, raw_partition, raw_offset
FROM rejections FINAL
WHERE rejected_at >= fromUnixTimestamp64Micro({since_us:Int64}) AND rejected_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({webhook:String} = '' OR splitByChar('/', path)[5] = {webhook:String})
