-- What `stored.stored_record` reads of a row of `deliveries`. A body is given as base64, since it may be any bytes.

-- name: stored_columns
    tenant_id, webhook_id, delivery_id, toUnixTimestamp64Micro(received_at) AS received_at_us, config_version,
    idempotency_key, request_method, request_path, request_query, request_headers, content_type, source_ip, user_agent,
    invalid_json, is_test, priority, trace_id, replay_id, replayed_from, replay_mode, dispatch_status,
    raw_topic, raw_incarnation, raw_partition, raw_offset,
    body_bytes, body_redacted, isNotNull(erased_at) AS is_erased, isNotNull(deliveries.body) AS has_body,
    ifNull(body_expires_at, toDateTime(received_at) + INTERVAL 30 DAY) <= now() AS is_expired,
    base64Encode(ifNull(deliveries.body, '')) AS body_base64;
