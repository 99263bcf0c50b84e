-- Deliveries out of numbers: the same number is the same delivery in both statements, so that its request and its outcome
-- meet as they do in the sink's inserts. Three in five are of one webhook, the others of {webhooks} more; a second has
-- {rows_per_second} of them, which gives the large webhook about a million a day.

-- name: numbered
    number + {first_row:UInt64} AS row,
    cityHash64(row) AS chance, cityHash64(row, 1) AS chance_1, cityHash64(row, 2) AS chance_2,
    if(chance % 5 < 3, 0, 1 + chance_1 % {webhooks:UInt64}) AS webhook,
    {began_us:Int64} + intDiv(toInt64(row) * 1000000, {rows_per_second:Int64}) + toInt64(chance_2 % 50000) AS received_us;

-- name: sort_key
    reinterpretAsUUID(concat(
        reinterpretAsString(0x0192f0c000007000 + webhook % {tenants:UInt64}), reinterpretAsString(0x8000000000000001))),
    reinterpretAsUUID(concat(
        reinterpretAsString(0x0192f0c100007000),
        reinterpretAsString(0x8000000000000000 + cityHash64(webhook) % 0x3fffffffffffffff))),
    fromUnixTimestamp64Micro(received_us),
    reinterpretAsUUID(concat(
        reinterpretAsString(bitOr(bitShiftLeft(toUInt64(intDiv(received_us, 1000)), 16), 0x7000 + chance_1 % 4096)),
        reinterpretAsString(bitOr(0x8000000000000000, bitShiftRight(chance, 2)))));

-- name: alert_body
    concat('dev-', leftPad(toString(chance_2 % 60), 4, '0'), '-', toString(webhook)) AS device,
    ['CPU load above threshold', 'Disk C: almost full', 'Service Spooler has stopped', 'Backup job failed',
        'Agent is offline', 'Memory above threshold', 'A patch is missing', 'Failed logins'][1 + chance_1 % 8] AS alert,
    ['low', 'medium', 'high', 'critical'][1 + chance_1 % 7 % 4] AS severity,
    concat('{"id":"', lower(hex(chance)), '","event":"alert.opened","account":{"id":', toString(webhook % 20),
        ',"name":"Client ', toString(webhook % 400), '"},"alert":{"id":', toString(chance_1 % 100000000),
        ',"text":"', alert, '","severity":"', severity,
        '","opened_at":"', toString(fromUnixTimestamp64Micro(received_us)),
        '","value":', toString(chance_1 % 10000 / 100), ',"threshold":', toString(70 + chance_2 % 30), ',"detail":"',
        repeat(
            concat(alert, ' on ', device, '. Process ', toString(chance_1 % 9973), ' of ', toString(chance_2 % 997), '. '),
            1 + chance_2 % 5),
        '"},"device":{"uid":"', lower(hex(cityHash64(device))), '","name":"', device, '","os":"',
        ['Windows Server 2022', 'Windows 11 Pro', 'Ubuntu 24.04', 'macOS 15'][1 + cityHash64(device) % 4],
        '","ip":"10.', toString(webhook % 250), '.', toString(chance_2 % 60),
        '.7","last_user":"user', toString(chance_1 % 300), '","uptime_s":', toString(chance_2 % 9000000),
        '},"ticket":{"title":"', alert, ' on ', device, '","priority":', toString(chance_1 % 4), '}}') AS alert_text;

-- name: insert_requests
INSERT INTO deliveries
    (tenant_id, webhook_id, received_at, delivery_id, config_version, idempotency_key, request_method, request_path,
    request_query, request_headers, content_type, body, body_bytes, body_redacted, source_ip, user_agent, invalid_json,
    ingress_us, is_test, trace_id, priority, raw_topic, raw_incarnation, raw_partition, raw_offset)
WITH
/*numbered*/,
/*alert_body*/
SELECT
/*sort_key*/,
    3, if(chance_1 % 10 = 0, NULL, lower(hex(chance_2))), 'POST',
    concat('/api/inbound/t', toString(webhook % {tenants:UInt64}), '/site-', toString(webhook)), '{}',
    concat('{"content-type":"application/json","host":"hooks.example.com","user-agent":"rmm/4.2",',
        '"x-event":"alert.opened","x-request-id":"', lower(hex(chance_1)),
        '","content-length":"', toString(length(alert_text)), '"}'),
    'application/json', alert_text, length(alert_text), false, concat('203.0.113.', toString(cityHash64(webhook) % 200)),
    'rmm/4.2', false, 500 + chance_1 % 3000, false, concat(lower(hex(chance_2)), lower(hex(chance_1))), webhook % 4,
    'webhooks.request.received.v1', 'Jx9d3kq2TzCq3g5m1rW7aA', chance % 4, row
FROM numbers({rows:UInt64})
SETTINGS max_insert_threads = 1, optimize_on_insert = 0;

-- name: insert_outcomes
INSERT INTO deliveries
    (tenant_id, webhook_id, received_at, delivery_id, is_test, handled_status, handled_at, handled_outcome,
    handled_error_code, handled_error_message, handled_error_path, handled_duplicate_of, handled_attempts,
    handled_metadata, handled_handler, handled_action, handled_entity_type, handled_entity_id, handled_incarnation,
    handled_partition, handled_offset)
WITH
/*numbered*/,
    chance_2 % 100 < 95 AS is_dispatched,
    if(is_dispatched, toString(generateUUIDv4(row)), '') AS ticket_id
SELECT
/*sort_key*/,
    false, if(is_dispatched, 'dispatched', 'failed'),
    fromUnixTimestamp64Micro(received_us + 20000 + toInt64(chance_1 % 90000)),
    concat('{"action":"createTicket","entity_type":"ticket","entity_id":"', ticket_id, '"}'),
    if(is_dispatched, '', 'LOOKUP_MISS'), if(is_dispatched, '', 'no client has this id'), '', '', 1, '',
    'action', 'createTicket', if(is_dispatched, 'ticket', ''), ticket_id, 'Jx9d3kq2TzCq3g5m1rW7aC', chance % 4, row
FROM numbers({rows:UInt64})
SETTINGS max_insert_threads = 1, optimize_on_insert = 0;

-- name: find_largest_webhook
SELECT tenant_id, webhook_id, toUnixTimestamp64Micro(max(received_at)) AS newest_us
FROM deliveries
GROUP BY tenant_id, webhook_id
ORDER BY count() DESC
LIMIT 1;

-- name: count_parts
SELECT count() AS parts, sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND table = 'deliveries';

-- name: count_merges
SELECT count() AS merges FROM system.merges WHERE table = 'deliveries';

-- name: sample_deliveries
SELECT delivery_id, idempotency_key, handled_entity_id AS entity_id
FROM deliveries FINAL
WHERE tenant_id = {tenant_id:UUID} AND webhook_id = {webhook_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND isNotNull(idempotency_key) AND handled_entity_id != ''
LIMIT {limit:UInt32};

-- name: floor_round_trip
SELECT 1 AS one;

-- name: floor_bodies
SELECT countIf(endsWith(assumeNotNull(body), {value:String})) AS found, countIf(isNotNull(body)) AS bodies
FROM deliveries
WHERE tenant_id = {tenant_id:UUID} AND webhook_id = {webhook_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64});

-- name: floor_keys
SELECT uniq(delivery_id) AS deliveries
FROM deliveries
WHERE tenant_id = {tenant_id:UUID} AND webhook_id = {webhook_id:UUID}
    AND received_at >= fromUnixTimestamp64Micro({since_us:Int64})
    AND received_at < fromUnixTimestamp64Micro({until_us:Int64});
