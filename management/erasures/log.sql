-- Statements with the value are kept out of the server's log of queries. What clears holds ids only: its text stays on disk.

-- name: find_delivery
-- With whether any of its rows still has a body.
SELECT
    webhook_id, toUnixTimestamp64Micro(received_at) AS received_at_us, delivery_id,
    countIf(body != '' OR body_head != '') > 0 AS has_body
FROM deliveries
WHERE tenant_id = {tenant_id:UUID} AND delivery_id = {delivery_id:UUID}
GROUP BY webhook_id, received_at, delivery_id

-- name: find_candidates
-- Those that may have the value: as it is, or written in another way, which only reading the body can tell.
SELECT webhook_id, toUnixTimestamp64Micro(received_at) AS received_at_us, delivery_id, max(length(body)) AS bytes
FROM deliveries
WHERE tenant_id = {tenant_id:UUID}
    AND ({webhook_id:String} = '' OR webhook_id = toUUIDOrZero({webhook_id:String}))
    AND (received_at < fromUnixTimestamp64Micro({until_us:Int64}) OR isNotNull(replay_id))
    AND (webhook_id, received_at, delivery_id)
        > ({after_webhook_id:UUID}, fromUnixTimestamp64Micro({after_us:Int64}), {after_delivery_id:UUID})
    AND (position(body, {value:String}) > 0 OR position(body_head, {value:String}) > 0 OR position(body, '\\') > 0
        OR position(body_head, '\\') > 0 OR positionCaseInsensitive(content_type, 'x-www-form-urlencoded') > 0)
    AND (body != '' OR body_head != '')
GROUP BY webhook_id, received_at, delivery_id
ORDER BY webhook_id, received_at, delivery_id
LIMIT {limit:UInt32}
SETTINGS log_queries = 0

-- name: read_bodies
SELECT delivery_id, base64Encode(ifNull(body, ifNull(body_head, ''))) AS content, content_type
FROM deliveries
WHERE tenant_id = {tenant_id:UUID} AND webhook_id IN {webhook_ids:Array(UUID)}
    AND received_at BETWEEN fromUnixTimestamp64Micro({from_us:Int64}) AND fromUnixTimestamp64Micro({until_us:Int64})
    AND delivery_id IN {delivery_ids:Array(UUID)} AND (body != '' OR body_head != '')

-- name: read_outcomes
SELECT
    delivery_id, ifNull(handled_outcome, '') AS outcome,
    position(concat(ifNull(processed_outcome, ''), '\n', ifNull(processed_error_message, ''), '\n',
        ifNull(processed_metadata, ''), '\n', ifNull(handled_outcome, ''), '\n', ifNull(handled_error_message, ''), '\n',
        ifNull(handled_metadata, '')) AS texts, {value:String}) + position(texts, {escaped:String}) > 0 AS has_value
FROM deliveries
WHERE tenant_id = {tenant_id:UUID} AND webhook_id IN {webhook_ids:Array(UUID)}
    AND received_at BETWEEN fromUnixTimestamp64Micro({from_us:Int64}) AND fromUnixTimestamp64Micro({until_us:Int64})
    AND delivery_id IN {delivery_ids:Array(UUID)} AND (isNotNull(handled_status) OR isNotNull(processed_status))
SETTINGS log_queries = 0

-- name: find_late_outcomes
-- Outcomes that say the value, of deliveries that were noted before.
SELECT
    webhook_id, toUnixTimestamp64Micro(received_at) AS received_at_us, delivery_id, ifNull(handled_outcome, '') AS outcome,
    concat(ifNull(processed_outcome, ''), '\n', ifNull(processed_error_message, ''), '\n',
        ifNull(processed_metadata, ''), '\n', ifNull(handled_outcome, ''), '\n', ifNull(handled_error_message, ''), '\n',
        ifNull(handled_metadata, '')) AS texts
FROM deliveries
WHERE tenant_id = {tenant_id:UUID} AND (position(texts, {value:String}) > 0 OR position(texts, {escaped:String}) > 0)
    AND (webhook_id, received_at, delivery_id) IN (
        SELECT webhook_id, received_at, delivery_id FROM erased_deliveries
        WHERE tenant_id = {tenant_id:UUID} AND erasure_id = {erasure_id:UUID})
SETTINGS log_queries = 0

-- name: count_erased
SELECT count() AS matched, countIf(clears_outcome) AS outcomes
FROM erased_deliveries FINAL
WHERE tenant_id = {tenant_id:UUID} AND erasure_id = {erasure_id:UUID}

-- name: hide
-- The newest value of a column is the one that is read. Columns whose default comes from one that is emptied get NULL, so
-- that they stay what they were.
INSERT INTO deliveries
    (tenant_id, webhook_id, received_at, delivery_id, erased_at, body, body_head, body_bytes, request_query,
    request_headers,
    idempotency_key, processed_outcome, processed_error_message, processed_metadata, handled_outcome,
    handled_error_message, handled_metadata, handled_handler, handled_action, handled_entity_type, handled_entity_id)
SELECT
    tenant_id, webhook_id, received_at, delivery_id, erased_at, '', '', NULL, if(clears_request, '', NULL),
    if(clears_request, '', NULL), if(clears_request, '', NULL), if(clears_outcome, '', NULL),
    if(clears_outcome, '', NULL), if(clears_outcome, '', NULL), if(clears_outcome, '', NULL),
    if(clears_outcome, '', NULL), if(clears_outcome, '', NULL), NULL, NULL, NULL, NULL
FROM erased_deliveries FINAL
WHERE tenant_id = {tenant_id:UUID} AND erasure_id = {erasure_id:UUID}

-- name: request_is_cleared
delivery_id IN (
        SELECT delivery_id FROM erased_deliveries
        WHERE tenant_id = {tenant_id:UUID} AND erasure_id = {erasure_id:UUID} AND clears_request)

-- name: outcome_is_cleared
delivery_id IN (
        SELECT delivery_id FROM erased_deliveries
        WHERE tenant_id = {tenant_id:UUID} AND erasure_id = {erasure_id:UUID} AND clears_outcome)

-- name: clear
-- '' and not NULL: a column that is set to NULL keeps the bytes that were in it.
ALTER TABLE deliveries UPDATE
    body = if(isNull(body), NULL, ''),
    body_head = if(isNull(body_head), NULL, ''),
    request_query = if(/*request_is_cleared*/, '', request_query),
    request_headers = if(/*request_is_cleared*/, '', request_headers),
    idempotency_key = if(/*request_is_cleared*/, '', idempotency_key),
    processed_outcome = if(/*outcome_is_cleared*/, '', processed_outcome),
    processed_error_message = if(/*outcome_is_cleared*/, '', processed_error_message),
    processed_metadata = if(/*outcome_is_cleared*/, '', processed_metadata),
    handled_outcome = if(/*outcome_is_cleared*/, '', handled_outcome),
    handled_error_message = if(/*outcome_is_cleared*/, '', handled_error_message),
    handled_metadata = if(/*outcome_is_cleared*/, '', handled_metadata)
WHERE tenant_id = {tenant_id:UUID} AND (webhook_id, received_at, delivery_id) IN (
    SELECT webhook_id, received_at, delivery_id FROM erased_deliveries
    WHERE tenant_id = {tenant_id:UUID} AND erasure_id = {erasure_id:UUID})
