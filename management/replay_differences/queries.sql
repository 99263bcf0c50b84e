-- Parts are as in management/deliveries/queries.sql, whose conditions are used; `stored_columns` is of
-- management/replaying.

-- name: select_deliveries
SELECT
    /*stored_columns*/,
    action, error_code, error_message, error_path, handler_outcome, handled_status, entity_type, entity_id, duplicate_of
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    /*conditions*/
ORDER BY tenant_id, webhook_id, deliveries.received_at, delivery_id;

-- name: where_named
AND delivery_id IN {selected_id:Array(UUID)};

-- name: where_named_of_webhooks
AND webhook_id IN {selected_webhook_id:Array(UUID)} AND delivery_id IN {selected_id:Array(UUID)};

-- name: find_outcomes
SELECT delivery_id, dispatch_status
FROM deliveries FINAL
PREWHERE tenant_id = {tenant_id:UUID} AND webhook_id IN {selected_webhook_id:Array(UUID)}
    AND delivery_id IN {selected_id:Array(UUID)}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64});

-- name: find_replayed
SELECT assumeNotNull(replayed_from) AS origin_id
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND isNotNull(replay_id) AND isNotNull(replayed_from) AND dispatch_status IN ('dispatched', 'filtered');

-- name: find_holders
SELECT
    webhook_id, delivery_id, idempotency_key, raw_partition, toUnixTimestamp64Micro(received_at) AS received_at_us
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID} AND webhook_id IN {selected_webhook_id:Array(UUID)}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND idempotency_key IN {held_key:Array(String)}
    AND dispatch_status = 'dispatched' AND NOT ifNull(is_test, false) AND ifNull(replay_mode, '') != 'redrive';
