-- The minutes of an hour in one row, for longer than the minutes are kept. `version` is the sum of theirs, which only
-- grows: a row made of newer minutes replaces one made of older ones, in whichever order they are written. Read with FINAL.
CREATE TABLE IF NOT EXISTS delivery_hours
(
    tenant_id UUID,
    webhook_id UUID,
    hour DateTime('UTC') CODEC(Delta, ZSTD(1)),
    traffic Enum8('live' = 0, 'test' = 1, 'replay' = 2),
    version UInt64 COMMENT 'sum of the versions of the minutes',
    deliveries UInt64,
    pending UInt64,
    dispatched UInt64,
    duplicate UInt64,
    filtered UInt64,
    failed UInt64,
    attempts UInt64,
    error_codes Map(LowCardinality(String), UInt64) COMMENT 'failed deliveries by error code',
    actions Map(LowCardinality(String), UInt64) COMMENT 'deliveries that an action ended, by action',
    failed_actions Map(LowCardinality(String), UInt64) COMMENT 'those of them that failed',
    body_bytes UInt64,
    body_bytes_max UInt64,
    senders AggregateFunction(uniq, String) COMMENT 'source addresses',
    ingress_us AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), UInt64),
    processing_us AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), UInt64),
    handling_us AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), UInt64),
    total_us AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), UInt64)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(hour)
ORDER BY (tenant_id, webhook_id, hour, traffic)
TTL hour + INTERVAL 400 DAY
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 0, replicated_deduplication_window = 0;
