-- What each webhook received in a minute of `received_at` and how it ended. A row is made of the rows of `deliveries` as a
-- whole and replaces the one before, so that nothing is ever added to it twice. Read with FINAL.
-- `version` holds the number of deliveries above the number of marks (32 bits each): of two counts the one of more
-- deliveries stays, then the later one. A minute whose rows have been deleted meanwhile so keeps what it was.
-- The sketches of latencies are within 1 % of a value that was there, in whichever order they are merged.
CREATE TABLE IF NOT EXISTS delivery_minutes
(
    tenant_id UUID,
    webhook_id UUID,
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    traffic Enum8('live' = 0, 'test' = 1, 'replay' = 2),
    version UInt64 COMMENT 'deliveries in the upper 32 bits, marks in the lower',
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
PARTITION BY toYYYYMM(minute)
ORDER BY (tenant_id, webhook_id, minute, traffic)
TTL minute + INTERVAL 30 DAY
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 0, replicated_deduplication_window = 0;
