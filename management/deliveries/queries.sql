-- Blocks without a statement are parts: /*name*/ stands for the block of that name, or for a text made of such blocks.
-- PREWHERE goes before the merge of FINAL, so that whole rows are merged of the keys that are wanted and no others (a third
-- of the time). It may only name columns of the sort key: of others, one row of a delivery may fit and another not.

-- name: shown_columns
    delivery_id, tenant_id, webhook_id, webhook_slug, config_version,
    toUnixTimestamp64Micro(received_at) AS received_at_us, idempotency_key,
    request_method, request_path, request_query, request_headers, content_type, body_bytes,
    body_redacted, source_ip, user_agent, user_agent_browser, user_agent_os, user_agent_device,
    location_country_code, location_country, location_region, location_city, location_latitude, location_longitude,
    location_time_zone, location_asn, location_organisation, metadata, ingress_us, is_test, replay_id, replayed_from, trace_id, response_status,
    dispatch_status, handler, action, handler_outcome, error_code, error_message, error_path, duplicate_of, attempts, priority,
    toUnixTimestamp64Micro(recorded_at) AS recorded_at_us, toUnixTimestamp64Milli(erased_at) * 1000 AS erased_at_us,
    /*body_columns*/;

-- name: no_body
NULL AS body, 'text' AS body_encoding, body_bytes > 0 AS body_truncated;

-- name: body_head
toValidUTF8(body_head) AS body, 'text' AS body_encoding, body_bytes > length(body_head) AS body_truncated;

-- name: whole_body
multiIf(isNull(deliveries.body), toValidUTF8(body_head), isValidUTF8(assumeNotNull(deliveries.body)), deliveries.body,
        base64Encode(assumeNotNull(deliveries.body))) AS body,
    if(isNotNull(deliveries.body) AND NOT isValidUTF8(assumeNotNull(deliveries.body)), 'base64', 'text') AS body_encoding,
    isNull(deliveries.body) AND body_bytes > length(body_head) AS body_truncated;

-- name: count
SELECT count() AS total
FROM
(
    SELECT 1
    FROM deliveries FINAL
    WHERE tenant_id = {tenant_id:UUID}
        AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
        AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
        /*conditions*/
    LIMIT {total_max:UInt32}
);

-- name: count_keys
SELECT count() AS total
FROM
(
    SELECT DISTINCT webhook_id, received_at, delivery_id
    FROM deliveries
    WHERE tenant_id = {tenant_id:UUID}
        AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
        AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
        /*conditions*/
    LIMIT {total_max:UInt32}
);

-- name: find
SELECT webhook_id, toUnixTimestamp64Micro(received_at) AS at_us, delivery_id
FROM deliveries FINAL
/*among*/
WHERE tenant_id = {tenant_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({before_us:Int64} = 0 OR (received_at, delivery_id) < (fromUnixTimestamp64Micro({before_us:Int64}), {before_id:UUID}))
    /*conditions*/
ORDER BY received_at DESC, delivery_id DESC
LIMIT {limit:UInt32} OFFSET {offset:UInt32};

-- name: candidates
PREWHERE delivery_id IN {candidate_id:Array(UUID)};

-- name: find_candidates
SELECT toUnixTimestamp64Micro(received_at) AS at_us, delivery_id
FROM deliveries
/*held*/
WHERE tenant_id = {tenant_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({before_us:Int64} = 0 OR (received_at, delivery_id) < (fromUnixTimestamp64Micro({before_us:Int64}), {before_id:UUID}))
    /*conditions*/
ORDER BY received_at DESC, delivery_id DESC
LIMIT {candidates_max:UInt32};

-- name: held_bodies
PREWHERE body.null = 0;

-- name: held_heads
PREWHERE body.null = 1 AND body_head.null = 0;

-- name: fetch
SELECT
    /*shown_columns*/
FROM deliveries FINAL
PREWHERE tenant_id = {tenant_id:UUID}
    AND webhook_id IN {found_webhook_id:Array(UUID)}
    AND received_at >= fromUnixTimestamp64Micro({from_us:Int64})
    AND received_at <= fromUnixTimestamp64Micro({until_us:Int64})
    AND delivery_id IN {found_delivery_id:Array(UUID)}
ORDER BY received_at DESC, delivery_id DESC;

-- name: export
SELECT
    /*shown_columns*/
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    /*conditions*/
ORDER BY tenant_id, webhook_id, deliveries.received_at, delivery_id;

-- name: one_delivery
FROM deliveries FINAL
PREWHERE tenant_id = {tenant_id:UUID} AND delivery_id = {delivery_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({webhook_id:String} = '' OR webhook_id = toUUIDOrZero({webhook_id:String}))
LIMIT 1;

-- name: get
SELECT
    /*shown_columns*/,
    entity_type, entity_id, toUnixTimestamp64Micro(processed_at) AS processed_at_us, processed_status,
    toUnixTimestamp64Micro(handled_at) AS handled_at_us, handled_status,
    raw_topic, raw_incarnation, raw_partition, raw_offset,
    isNotNull(deliveries.body) AND ifNull(body_expires_at, toDateTime(received_at) + INTERVAL 30 DAY) > now() AS has_body
/*one_delivery*/;

-- name: get_stored
SELECT
    /*stored_columns*/
/*one_delivery*/;

-- name: find_related
SELECT
    delivery_id, toUnixTimestamp64Micro(received_at) AS received_at_us, dispatch_status,
    duplicate_of = {delivery_id:String} AS is_duplicate
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID} AND webhook_id = {webhook_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND (duplicate_of = {delivery_id:String} OR replayed_from = {delivery_id:String})
ORDER BY received_at, delivery_id
LIMIT {limit:UInt32};

-- name: find_named
SELECT delivery_id, toUnixTimestamp64Micro(received_at) AS received_at_us, dispatch_status
FROM deliveries FINAL
PREWHERE tenant_id = {tenant_id:UUID} AND webhook_id = {webhook_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND delivery_id = {delivery_id:UUID}
LIMIT 1;

-- name: find_webhook
SELECT id FROM webhooks WHERE tenant_id = %(tenant_id)s AND id = %(id)s;

-- name: find_replay
SELECT mode, replayed_by, replayed_at, reason, change_kind, change
FROM delivery_replays
WHERE tenant_id = %(tenant_id)s AND delivery_id = %(delivery_id)s;

-- name: where_webhook_id
AND webhook_id IN {webhook_id:Array(UUID)};

-- name: where_dispatch_status
AND dispatch_status IN {dispatch_status:Array(String)};

-- name: where_auth_status
AND has({auth_status:Array(String)}, 'verified');

-- name: where_error_code
AND error_code IN {error_code:Array(String)};

-- name: where_priority
AND priority IN {priority:Array(UInt8)};

-- name: where_handler
AND handler IN {handler:Array(String)};

-- name: where_action
AND action IN {action:Array(String)};

-- name: where_entity_type
AND entity_type = {entity_type:String};

-- name: where_entity_id
AND entity_id = {entity_id:String};

-- name: where_source_ip
AND (isIPv4String(ifNull(source_ip, '')) OR isIPv6String(ifNull(source_ip, '')))
    AND arrayExists(
        network -> isIPAddressInRange(
            if(isIPv4String(ifNull(source_ip, '')) OR isIPv6String(ifNull(source_ip, '')), assumeNotNull(source_ip), '::'),
            network),
        {source_ip:Array(String)});

-- name: where_duration_ms_min
AND toUnixTimestamp64Micro(recorded_at) - toUnixTimestamp64Micro(received_at) >= {duration_ms_min:Int64} * 1000;

-- name: where_duration_ms_max
AND toUnixTimestamp64Micro(recorded_at) - toUnixTimestamp64Micro(received_at) <= {duration_ms_max:Int64} * 1000;

-- name: where_is_replay
AND isNotNull(replay_id) = {is_replay:UInt8};

-- name: where_is_test
AND ifNull(is_test, false) = {is_test:UInt8};

-- name: where_idempotency_key
AND idempotency_key = {idempotency_key:String};

-- name: where_duplicate_of
AND duplicate_of = {duplicate_of:String};

-- name: where_replayed_from
AND replayed_from = {replayed_from:String};

-- name: where_replay_id
AND replay_id = {replay_id:String};

-- name: where_trace_id
AND trace_id = {trace_id:String};

-- name: where_body_contains
AND position(/*searched_text*/, {body_contains:String}) > 0;

-- name: searched_text
ifNull(coalesce(deliveries.body, body_head), '');

-- name: searched_body
if(isNull(deliveries.body), if(body_bytes > length(body_head), '', ifNull(body_head, '')), assumeNotNull(deliveries.body));

-- name: text_of_body
assumeNotNull(deliveries.body);

-- name: text_of_head
assumeNotNull(body_head);

-- name: whole_text_of_head
if(body_bytes > length(body_head), '', assumeNotNull(body_head));

-- name: has_text
AND (position(/*searched_body*/, {body_value:String}) > 0 OR position(/*searched_body*/, '\\') > 0);

-- name: where_body_path
AND arrayExists(found -> /*test*/, /*values*/);

-- name: where_body_path_not
AND notEmpty(/*searched_body*/) AND NOT arrayExists(found -> /*test*/, /*values*/);

-- name: found_exists
notEmpty(found);

-- name: found_equals
if(startsWith(found, '"'), JSONExtractString(found) = {body_value:String},
        found = {body_json:String} OR (match(found, '[.e]') AND ifNull(toFloat64OrNull(found) = {body_number:Float64}, false)));

-- name: found_contains
if(startsWith(found, '"'), position(JSONExtractString(found), {body_value:String}) > 0,
        startsWith(found, '[') AND arrayExists(found -> /*found_equals*/, JSONExtractArrayRaw(found)));

-- name: found_starts_with
(startsWith(found, '"') AND startsWith(JSONExtractString(found), {body_value:String}));

-- name: found_ends_with
(startsWith(found, '"') AND endsWith(JSONExtractString(found), {body_value:String}));

-- name: found_greater_than
if(isNaN({body_number:Float64}), startsWith(found, '"') AND JSONExtractString(found) > {body_value:String},
        NOT startsWith(found, '"') AND ifNull(toFloat64OrNull(found) > {body_number:Float64}, false));

-- name: found_less_than
if(isNaN({body_number:Float64}), startsWith(found, '"') AND JSONExtractString(found) < {body_value:String},
        NOT startsWith(found, '"') AND ifNull(toFloat64OrNull(found) < {body_number:Float64}, false));
