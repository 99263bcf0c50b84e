-- Which minutes of `deliveries` have to be counted, or counted again. The sink adds a mark for each minute of an insert
-- once the insert is visible: who reads n marks of a minute and its rows thereafter has the rows of those n marks at
-- least. A minute is up to date when `marks` added up is no more than the largest `counted` (ADR 0017).
-- A repeated mark costs one more count and a lost one a wrong number, so repeats are never dropped here.
CREATE TABLE IF NOT EXISTS rollup_marks
(
    minute DateTime('UTC'),
    tenant_id UUID,
    webhook_id UUID,
    marks SimpleAggregateFunction(sum, UInt64),
    counted SimpleAggregateFunction(max, UInt64),
    marked_at SimpleAggregateFunction(max, DateTime('UTC')) DEFAULT now('UTC'),
    INDEX newest_marks marked_at TYPE minmax GRANULARITY 1
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMMDD(minute)
ORDER BY (minute, tenant_id, webhook_id)
TTL minute + INTERVAL 8 DAY
SETTINGS ttl_only_drop_parts = 1, index_granularity = 1024,
    non_replicated_deduplication_window = 0, replicated_deduplication_window = 0;
