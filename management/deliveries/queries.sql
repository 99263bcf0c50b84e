-- name: count_deliveries
SELECT count() AS total
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID}
    AND ({webhook_id:String} = '' OR webhook_id = toUUIDOrZero({webhook_id:String}))
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({dispatch_status:String} = '' OR dispatch_status = {dispatch_status:String});

-- name: list_deliveries
SELECT
    delivery_id, tenant_id, webhook_id, webhook_slug, config_version,
    toUnixTimestamp64Micro(received_at) AS received_at_us, idempotency_key,
    request_method, request_path, request_query, request_headers, content_type,
    toValidUTF8(body_head) AS body, 'text' AS body_encoding, body_bytes, body_bytes > length(body_head) AS body_truncated,
    body_redacted, source_ip, user_agent, user_agent_browser, user_agent_os, user_agent_device,
    location_country_code, location_country, location_region, location_city, location_latitude, location_longitude,
    location_time_zone, location_asn, location_organisation, metadata, ingress_us, is_test, replay_id, replayed_from, trace_id, response_status,
    dispatch_status, handler_outcome, error_code, error_message, error_path, duplicate_of, attempts,
    toUnixTimestamp64Micro(recorded_at) AS recorded_at_us
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID}
    AND ({webhook_id:String} = '' OR webhook_id = toUUIDOrZero({webhook_id:String}))
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({dispatch_status:String} = '' OR dispatch_status = {dispatch_status:String})
ORDER BY received_at DESC, delivery_id DESC
LIMIT {limit:UInt32} OFFSET {offset:UInt32};

-- name: get_delivery
SELECT
    delivery_id, tenant_id, webhook_id, webhook_slug, config_version,
    toUnixTimestamp64Micro(received_at) AS received_at_us, idempotency_key,
    request_method, request_path, request_query, request_headers, content_type,
    multiIf(isNull(deliveries.body), toValidUTF8(body_head), isValidUTF8(assumeNotNull(deliveries.body)), deliveries.body,
        base64Encode(assumeNotNull(deliveries.body))) AS body,
    if(isNotNull(deliveries.body) AND NOT isValidUTF8(assumeNotNull(deliveries.body)), 'base64', 'text') AS body_encoding,
    body_bytes, isNull(deliveries.body) AND body_bytes > length(body_head) AS body_truncated,
    body_redacted, source_ip, user_agent, user_agent_browser, user_agent_os, user_agent_device,
    location_country_code, location_country, location_region, location_city, location_latitude, location_longitude,
    location_time_zone, location_asn, location_organisation, metadata, ingress_us, is_test, replay_id, replayed_from, trace_id, response_status,
    dispatch_status, handler_outcome, error_code, error_message, error_path, duplicate_of, attempts,
    toUnixTimestamp64Micro(recorded_at) AS recorded_at_us
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID} AND delivery_id = {delivery_id:UUID}
    AND ({webhook_id:String} = '' OR webhook_id = toUUIDOrZero({webhook_id:String}))
LIMIT 1;

-- name: find_webhook
SELECT id FROM webhooks WHERE tenant_id = %(tenant_id)s AND id = %(id)s;
