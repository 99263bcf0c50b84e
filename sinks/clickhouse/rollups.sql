-- Rollups of `deliveries`: which minutes to count, the counting, and the note that it was done (ADR 0017). The picked
-- minutes are four arrays of equal length, element by element: tenant, webhook, minute, marks that were read.

-- name: pick_minutes
SELECT tenant_id, webhook_id, toUnixTimestamp(minute) AS minute_seconds, sum(marks) AS mark_count
FROM rollup_marks
WHERE minute >= now('UTC') - toIntervalSecond({recount_seconds:UInt32})
    AND (minute, tenant_id, webhook_id) IN (
        SELECT minute, tenant_id, webhook_id
        FROM rollup_marks
        WHERE minute >= now('UTC') - toIntervalSecond({recount_seconds:UInt32})
            AND marked_at >= now('UTC') - toIntervalSecond({marked_seconds:UInt32})
    )
GROUP BY minute, tenant_id, webhook_id
HAVING mark_count > max(counted)
ORDER BY minute DESC
LIMIT {limit:UInt32};

-- name: mark_unmarked
INSERT INTO rollup_marks (minute, tenant_id, webhook_id, marks)
SELECT DISTINCT toStartOfMinute(received_at, 'UTC') AS found_minute, tenant_id, webhook_id, 1
FROM deliveries
WHERE received_at >= now('UTC') - toIntervalSecond({recount_seconds:UInt32})
    AND (found_minute, tenant_id, webhook_id) NOT IN (
        SELECT minute, tenant_id, webhook_id
        FROM rollup_marks
        WHERE minute >= now('UTC') - toIntervalSecond({recount_seconds:UInt32}) - INTERVAL 1 MINUTE
    );

-- name: count_minutes
INSERT INTO delivery_minutes (
    tenant_id, webhook_id, minute, traffic, version, deliveries, pending, dispatched, duplicate, filtered, failed,
    late, attempts, error_codes, actions, failed_actions, body_bytes, body_bytes_max, senders,
    ingress_us, processing_us, handling_us, total_us
)
WITH
    picked AS (
        SELECT pick.1 AS tenant_id, pick.2 AS webhook_id, toDateTime(pick.3, 'UTC') AS minute, pick.4 AS mark_count
        FROM (SELECT arrayJoin(arrayZip(
            {tenant_ids:Array(UUID)}, {webhook_ids:Array(UUID)}, {minutes:Array(UInt32)}, {marks:Array(UInt64)}
        )) AS pick)
    ),
    toUnixTimestamp64Micro(received_at) AS from_us,
    toUnixTimestamp64Micro(coalesce(handled_requested_at, if(isNull(handled_at), processed_at, NULL))) AS processed_us,
    toUnixTimestamp64Micro(handled_requested_at) AS requested_us,
    toUnixTimestamp64Micro(handled_at) AS handled_us,
    toUnixTimestamp64Micro(recorded_at) AS recorded_us
SELECT
    tenant_id,
    webhook_id,
    minute,
    multiIf(ifNull(is_test, false), 'test', isNotNull(replay_id), 'replay', 'live') AS traffic,
    bitShiftLeft(count(), 32) + least(any(mark_count), 4294967295) AS version,
    count() AS deliveries,
    countIf(dispatch_status = 'pending') AS pending,
    countIf(dispatch_status = 'dispatched') AS dispatched,
    countIf(dispatch_status = 'duplicate') AS duplicate,
    countIf(dispatch_status = 'filtered') AS filtered,
    countIf(dispatch_status = 'failed') AS failed,
    sumForEach(arrayMap(
        target_us -> toUInt64(isNotNull(recorded_us) AND ifNull(recorded_us, 0) - from_us > target_us),
        {targets_us:Array(Int64)})) AS late,
    sum(counted.attempts) AS attempts,
    sumMapIf(map(error_code, toUInt64(1)), error_code != '') AS error_codes,
    sumMapIf(map(ifNull(handled_action, ''), toUInt64(1)), ifNull(handled_action, '') != '') AS actions,
    sumMapIf(map(ifNull(handled_action, ''), toUInt64(1)),
        ifNull(handled_action, '') != '' AND dispatch_status = 'failed') AS failed_actions,
    sum(toUInt64(ifNull(counted.body_bytes, 0))) AS body_bytes,
    max(toUInt64(ifNull(counted.body_bytes, 0))) AS body_bytes_max,
    uniqStateIf(ifNull(source_ip, ''), isNotNull(source_ip)) AS senders,
    quantilesDDStateIf(0.01, 0.5, 0.9, 0.95, 0.99)(ifNull(counted.ingress_us, 0), isNotNull(counted.ingress_us))
        AS ingress_us,
    quantilesDDStateIf(0.01, 0.5, 0.9, 0.95, 0.99)(
        toUInt64(greatest(ifNull(processed_us, 0) - from_us, 0)), isNotNull(processed_us)) AS processing_us,
    quantilesDDStateIf(0.01, 0.5, 0.9, 0.95, 0.99)(
        toUInt64(greatest(ifNull(handled_us, 0) - ifNull(requested_us, 0), 0)),
        isNotNull(handled_us) AND isNotNull(requested_us)) AS handling_us,
    quantilesDDStateIf(0.01, 0.5, 0.9, 0.95, 0.99)(
        toUInt64(greatest(ifNull(recorded_us, 0) - from_us, 0)), isNotNull(recorded_us)) AS total_us
FROM (
    SELECT
        tenant_id, webhook_id, received_at, toStartOfMinute(received_at, 'UTC') AS minute, is_test, replay_id,
        dispatch_status, recorded_at, processed_at, handled_at, handled_requested_at, handled_action, error_code,
        attempts, body_bytes, source_ip, ingress_us
    FROM deliveries FINAL
    WHERE (tenant_id, webhook_id) IN (SELECT tenant_id, webhook_id FROM picked)
        AND received_at >= toDateTime64({from_seconds:UInt32}, 6, 'UTC')
        AND received_at < toDateTime64({until_seconds:UInt32}, 6, 'UTC')
        AND (tenant_id, webhook_id, toStartOfMinute(received_at, 'UTC'))
            IN (SELECT tenant_id, webhook_id, minute FROM picked)
) AS counted
INNER JOIN picked USING (tenant_id, webhook_id, minute)
GROUP BY tenant_id, webhook_id, minute, traffic;

-- name: count_hours
INSERT INTO delivery_hours (
    tenant_id, webhook_id, hour, traffic, version, deliveries, pending, dispatched, duplicate, filtered, failed,
    late, attempts, error_codes, actions, failed_actions, body_bytes, body_bytes_max, senders,
    ingress_us, processing_us, handling_us, total_us
)
WITH picked AS (
    SELECT pick.1 AS tenant_id, pick.2 AS webhook_id, toStartOfHour(toDateTime(pick.3, 'UTC'), 'UTC') AS hour
    FROM (SELECT arrayJoin(arrayZip(
        {tenant_ids:Array(UUID)}, {webhook_ids:Array(UUID)}, {minutes:Array(UInt32)}
    )) AS pick)
)
SELECT
    tenant_id, webhook_id, toStartOfHour(minute, 'UTC') AS hour, traffic,
    sum(counted.version), sum(counted.deliveries), sum(counted.pending), sum(counted.dispatched),
    sum(counted.duplicate), sum(counted.filtered), sum(counted.failed), sumForEach(counted.late), sum(counted.attempts),
    sumMap(counted.error_codes), sumMap(counted.actions), sumMap(counted.failed_actions),
    sum(counted.body_bytes), max(counted.body_bytes_max), uniqMergeState(counted.senders),
    quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(counted.ingress_us),
    quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(counted.processing_us),
    quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(counted.handling_us),
    quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(counted.total_us)
FROM delivery_minutes AS counted FINAL
WHERE (tenant_id, webhook_id) IN (SELECT tenant_id, webhook_id FROM picked)
    AND minute >= toStartOfHour(toDateTime({from_seconds:UInt32}, 'UTC'), 'UTC')
    AND minute < toDateTime({until_seconds:UInt32}, 'UTC') + INTERVAL 1 HOUR
    AND (tenant_id, webhook_id, toStartOfHour(minute, 'UTC')) IN (SELECT tenant_id, webhook_id, hour FROM picked)
GROUP BY tenant_id, webhook_id, hour, traffic;

-- name: note_counted
INSERT INTO rollup_marks (minute, tenant_id, webhook_id, marks, counted, marked_at)
SELECT toDateTime(pick.3, 'UTC'), pick.1, pick.2, 0, pick.4, toDateTime(0, 'UTC')
FROM (SELECT arrayJoin(arrayZip(
    {tenant_ids:Array(UUID)}, {webhook_ids:Array(UUID)}, {minutes:Array(UInt32)}, {marks:Array(UInt64)}
)) AS pick);
