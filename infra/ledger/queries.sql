-- What the ledger counts, for one tenant or ('') for all: it holds the log against the topics, which have no tenants.
-- A digest is the sum of the delivery ids' last 48 bits.

-- name: count_requests
SELECT
    toString(tenant_id) AS tenant,
    toUnixTimestamp(toStartOfHour(received_at, 'UTC')) AS hour_seconds,
    countIf(isNotNull(raw_topic)) AS raw,
    countIf(isNotNull(raw_topic) AND ifNull(is_test, false)) AS tests,
    countIf(isNotNull(raw_topic) AND NOT ifNull(is_test, false) AND isNotNull(replay_id)) AS replays,
    sumIf(
        reinterpretAsUInt64(reverse(unhex(substring(toString(delivery_id), 25)))),
        isNotNull(raw_topic) AND NOT ifNull(is_test, false) AND isNull(replay_id)
    ) AS request_digest,
    countIf(isNotNull(raw_topic) AND dispatch_status = 'dispatched') AS dispatched,
    countIf(isNotNull(raw_topic) AND dispatch_status = 'duplicate') AS duplicate,
    countIf(isNotNull(raw_topic) AND dispatch_status = 'filtered') AS filtered,
    countIf(isNotNull(raw_topic) AND dispatch_status = 'failed') AS failed,
    countIf(isNotNull(raw_topic) AND dispatch_status = 'pending') AS pending,
    countIf(isNull(raw_topic)) AS without_request
FROM deliveries FINAL
WHERE received_at >= fromUnixTimestamp64Micro({since_us:Int64}) AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({tenant_id:String} = '' OR tenant_id = toUUIDOrZero({tenant_id:String}))
GROUP BY tenant, hour_seconds;

-- name: count_attested
SELECT
    toString(tenant_id) AS tenant,
    toUnixTimestamp(hour) AS hour_seconds,
    sum(accepted) AS accepted,
    sum(invalid_json) AS invalid_json,
    sum(late) AS late,
    sum(digest) AS attested_digest
FROM attestations FINAL
WHERE hour >= fromUnixTimestamp64Micro({since_us:Int64}) AND hour < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({tenant_id:String} = '' OR tenant_id = toUUIDOrZero({tenant_id:String}))
GROUP BY tenant, hour_seconds;

-- name: count_places
SELECT count() AS rows, uniqExact(place) AS places
FROM
(
    SELECT raw_offset AS place
    FROM deliveries FINAL
    WHERE received_at >= fromUnixTimestamp64Micro({since_us:Int64})
        AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
        AND raw_topic = {topic:String} AND raw_incarnation = {incarnation:String} AND raw_partition = {partition:UInt32}
        AND raw_offset >= {first:UInt64} AND raw_offset < {end:UInt64}
    UNION ALL
    SELECT offset AS place
    FROM undecodable_records FINAL
    WHERE topic = {topic:String} AND incarnation = {incarnation:String} AND partition = {partition:UInt32}
        AND offset >= {first:UInt64} AND offset < {end:UInt64}
);

-- name: list_gaps
-- FINAL as in count_places: of a delivery at two places the log keeps one, and until it has put them together has both.
SELECT before + 1 AS gap_first, place - 1 AS gap_last
FROM
(
    SELECT
        place,
        lagInFrame(place, 1, {first:Int64} - 1) OVER (
            ORDER BY place ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS before
    FROM
    (
        SELECT toInt64(raw_offset) AS place
        FROM deliveries FINAL
        WHERE received_at >= fromUnixTimestamp64Micro({since_us:Int64})
            AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
            AND raw_topic = {topic:String} AND raw_incarnation = {incarnation:String} AND raw_partition = {partition:UInt32}
            AND raw_offset >= {first:UInt64} AND raw_offset < {end:UInt64}
        UNION ALL
        SELECT toInt64(offset) AS place
        FROM undecodable_records FINAL
        WHERE topic = {topic:String} AND incarnation = {incarnation:String} AND partition = {partition:UInt32}
            AND offset >= {first:UInt64} AND offset < {end:UInt64}
        UNION ALL
        SELECT {end:Int64} AS place
    )
)
WHERE place > before + 1
ORDER BY gap_first
LIMIT {limit:UInt32};

-- name: list_doubled
SELECT place, tenant, hour_seconds, delivery
FROM
(
    SELECT
        raw_offset AS place,
        toString(tenant_id) AS tenant,
        toUnixTimestamp(toStartOfHour(received_at, 'UTC')) AS hour_seconds,
        toString(delivery_id) AS delivery,
        count() OVER (PARTITION BY raw_offset) AS times
    FROM deliveries FINAL
    WHERE received_at >= fromUnixTimestamp64Micro({since_us:Int64})
        AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
        AND raw_topic = {topic:String} AND raw_incarnation = {incarnation:String} AND raw_partition = {partition:UInt32}
        AND raw_offset >= {first:UInt64} AND raw_offset < {end:UInt64}
)
WHERE times > 1
ORDER BY place, delivery
LIMIT {limit:UInt32};

-- name: list_pending
SELECT
    raw_offset AS place,
    toString(tenant_id) AS tenant,
    toUnixTimestamp(toStartOfHour(received_at, 'UTC')) AS hour_seconds
FROM deliveries FINAL
WHERE received_at >= fromUnixTimestamp64Micro({since_us:Int64}) AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
    AND ({tenant_id:String} = '' OR tenant_id = toUUIDOrZero({tenant_id:String}))
    AND raw_topic = {topic:String} AND raw_incarnation = {incarnation:String} AND raw_partition = {partition:UInt32}
    AND raw_offset < {end:UInt64} AND dispatch_status = 'pending'
ORDER BY place
LIMIT {limit:UInt32};

-- name: list_unlogged
SELECT tenant, hour_seconds, attested.place AS place
FROM
(
    SELECT
        toString(tenant_id) AS tenant,
        toUnixTimestamp(hour) AS hour_seconds,
        arrayJoin(arrayFlatten(arrayMap(
            number -> range(offsets[2 * number + 1], offsets[2 * number + 2] + 1), range(intDiv(length(offsets), 2))
        ))) AS place
    FROM attestations FINAL
    WHERE length(offsets) > 0
        AND hour >= fromUnixTimestamp64Micro({since_us:Int64}) AND hour < fromUnixTimestamp64Micro({until_us:Int64})
        AND ({tenant_id:String} = '' OR tenant_id = toUUIDOrZero({tenant_id:String}))
        AND topic = {topic:String} AND partition = {partition:UInt32} AND arrayMax(offsets) >= {first:UInt64}
) AS attested
LEFT ANTI JOIN
(
    SELECT assumeNotNull(raw_offset) AS place
    FROM deliveries
    WHERE received_at >= fromUnixTimestamp64Micro({since_us:Int64})
        AND received_at < fromUnixTimestamp64Micro({until_us:Int64})
        AND raw_topic = {topic:String} AND raw_partition = {partition:UInt32} AND raw_offset >= {first:UInt64}
    UNION ALL
    SELECT offset AS place
    FROM undecodable_records
    WHERE topic = {topic:String} AND partition = {partition:UInt32} AND offset >= {first:UInt64}
) AS logged ON attested.place = logged.place
WHERE place >= {first:UInt64} AND place < {end:UInt64}
ORDER BY place
LIMIT {limit:UInt32};

-- name: find_deliveries
SELECT toString(delivery_id) AS delivery
FROM deliveries
WHERE tenant_id IN {tenant_ids:Array(UUID)} AND delivery_id IN {delivery_ids:Array(UUID)} AND isNotNull(raw_topic)
GROUP BY delivery;
