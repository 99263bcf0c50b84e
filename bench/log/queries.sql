-- name: insert_requests
INSERT INTO deliveries
    (tenant_id, webhook_id, received_at, delivery_id, config_version, idempotency_key, request_method, request_path,
    request_query, request_headers, content_type, body, body_bytes, body_redacted, source_ip, user_agent,
    user_agent_browser, user_agent_os, user_agent_device, invalid_json, ingress_us, is_test, trace_id,
    location_country_code, raw_topic, raw_incarnation, raw_partition, raw_offset)
WITH
    number + {first_row:UInt64} AS row,
    cityHash64(row) AS chance, cityHash64(row, 1) AS chance_1, cityHash64(row, 2) AS chance_2,
    if(chance % 5 < 3, 0, 1 + chance_1 % {webhooks:UInt64}) AS webhook,
    {began_us:Int64} + intDiv(toInt64(row) * 1000000, {rows_per_second:Int64}) + toInt64(chance_2 % 50000) AS received_us,
    concat('dev-', leftPad(toString(chance_2 % 60), 4, '0'), '-', toString(webhook)) AS device,
    ['CPU load above threshold', 'Disk C: almost full', 'Service Spooler has stopped', 'Backup job failed',
        'Agent is offline', 'Memory above threshold', 'A patch is missing', 'Failed logins'][1 + chance_1 % 8] AS alert,
    ['low', 'medium', 'high', 'critical'][1 + chance_1 % 7 % 4] AS severity,
    concat('{"id":"', lower(hex(chance)), '","event":"alert.opened","account":{"id":', toString(webhook % 20),
        ',"name":"Client ', toString(webhook % 400), '"},"alert":{"id":', toString(chance_1 % 100000000),
        ',"text":"', alert, '","severity":"', severity, '","opened_at":"', toString(fromUnixTimestamp64Micro(received_us)),
        '","value":', toString(chance_1 % 10000 / 100), ',"threshold":', toString(70 + chance_2 % 30),
        ',"detail":"', repeat(concat(alert, ' on ', device, '. Process ', toString(chance_1 % 9973), ' of ',
        toString(chance_2 % 997), '. '), 1 + chance_2 % 5), '"},"device":{"uid":"', lower(hex(cityHash64(device))),
        '","name":"', device, '","os":"', ['Windows Server 2022', 'Windows 11 Pro', 'Ubuntu 24.04', 'macOS 15'][1 + cityHash64(device) % 4],
        '","ip":"10.', toString(webhook % 250), '.', toString(chance_2 % 60), '.7","last_user":"user', toString(chance_1 % 300),
        '","uptime_s":', toString(chance_2 % 9000000), '},"ticket":{"title":"', alert, ' on ', device, '","priority":', toString(chance_1 % 4), '}}') AS text
SELECT
    reinterpretAsUUID(concat(reinterpretAsString(toUInt64(0x0192f0c000007000) + webhook % {tenants:UInt64}), reinterpretAsString(toUInt64(0x8000000000000001)))),
    reinterpretAsUUID(concat(reinterpretAsString(toUInt64(0x0192f0c100007000)), reinterpretAsString(toUInt64(0x8000000000000000) + cityHash64(webhook) % 0x3fffffffffffffff))),
    fromUnixTimestamp64Micro(received_us),
    reinterpretAsUUID(concat(
        reinterpretAsString(bitOr(bitShiftLeft(toUInt64(intDiv(received_us, 1000)), 16), 0x7000 + chance_1 % 4096)),
        reinterpretAsString(bitOr(0x8000000000000000, bitShiftRight(chance, 2))))),
    3, if(chance_1 % 10 = 0, NULL, lower(hex(chance_2))), 'POST', concat('/api/inbound/t', toString(webhook % {tenants:UInt64}), '/site-', toString(webhook)),
    '{}', concat('{"content-type":"application/json","host":"hooks.example.com","user-agent":"rmm/4.2","x-event":"alert.opened","x-request-id":"', lower(hex(chance_1)), '","content-length":"', toString(length(text)), '"}'),
    'application/json', text, length(text), false, concat('203.0.113.', toString(cityHash64(webhook) % 200)), 'rmm/4.2',
    NULL, NULL, NULL, false, 500 + chance_1 % 3000, false, concat(lower(hex(chance_2)), lower(hex(chance_1))),
    NULL, 'webhooks.request.received.v1', 'Jx9d3kq2TzCq3g5m1rW7aA', chance % 4, row
FROM numbers({rows:UInt64});

-- name: insert_outcomes
INSERT INTO deliveries
    (tenant_id, webhook_id, received_at, delivery_id, is_test, processed_status, processed_at, processed_outcome,
    processed_error_code, processed_error_message, processed_error_path, processed_duplicate_of, processed_attempts,
    processed_metadata, processed_incarnation, processed_partition, processed_offset,
    handled_status, handled_at, handled_outcome, handled_error_code, handled_error_message, handled_error_path,
    handled_duplicate_of, handled_attempts, handled_metadata, handled_incarnation, handled_partition, handled_offset)
WITH
    number + {first_row:UInt64} AS row,
    cityHash64(row) AS chance, cityHash64(row, 1) AS chance_1, cityHash64(row, 2) AS chance_2,
    if(chance % 5 < 3, 0, 1 + chance_1 % {webhooks:UInt64}) AS webhook,
    {began_us:Int64} + intDiv(toInt64(row) * 1000000, {rows_per_second:Int64}) + toInt64(chance_2 % 50000) AS received_us,
    chance_2 % 100 AS fate, fate < 80 AS handled,
    multiIf(fate < 78, 'dispatched', fate < 80, 'failed', fate < 90, 'duplicate', fate < 99, 'filtered', 'failed') AS status,
    if(fate < 78, concat('{"action":"createTicket","entity":{"kind":"ticket","id":"', lower(hex(chance)), '"},"created":true}'), '{}') AS outcome,
    multiIf(fate < 78, '', fate < 80, 'client_not_found', fate = 99, 'mapping_failed', '') AS code
SELECT
    reinterpretAsUUID(concat(reinterpretAsString(toUInt64(0x0192f0c000007000) + webhook % {tenants:UInt64}), reinterpretAsString(toUInt64(0x8000000000000001)))),
    reinterpretAsUUID(concat(reinterpretAsString(toUInt64(0x0192f0c100007000)), reinterpretAsString(toUInt64(0x8000000000000000) + cityHash64(webhook) % 0x3fffffffffffffff))),
    fromUnixTimestamp64Micro(received_us),
    reinterpretAsUUID(concat(
        reinterpretAsString(bitOr(bitShiftLeft(toUInt64(intDiv(received_us, 1000)), 16), 0x7000 + chance_1 % 4096)),
        reinterpretAsString(bitOr(0x8000000000000000, bitShiftRight(chance, 2))))),
    false,
    if(handled, NULL, status), if(handled, NULL, fromUnixTimestamp64Micro(received_us + 8000)), if(handled, NULL, outcome),
    if(handled, NULL, code), if(handled, NULL, if(code = '', '', 'the mapping of title failed')), if(handled, NULL, ''),
    if(handled, NULL, ''), if(handled, NULL, 1), if(handled, NULL, ''), if(handled, NULL, 'Jx9d3kq2TzCq3g5m1rW7aB'), if(handled, NULL, chance % 4), if(handled, NULL, row),
    if(handled, status, NULL), if(handled, fromUnixTimestamp64Micro(received_us + 20000 + toInt64(chance_1 % 90000)), NULL), if(handled, outcome, NULL),
    if(handled, code, NULL), if(handled, if(code = '', '', 'no client has this id'), NULL), if(handled, '', NULL),
    if(handled, '', NULL), if(handled, 1, NULL), if(handled, '', NULL), if(handled, 'Jx9d3kq2TzCq3g5m1rW7aC', NULL), if(handled, chance % 4, NULL), if(handled, row, NULL)
FROM numbers({rows:UInt64});
