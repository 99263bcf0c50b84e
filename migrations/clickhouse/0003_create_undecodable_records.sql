-- Records of a topic that do not keep its contract: kept as they came, so that nothing vanishes and nothing stops.
CREATE TABLE IF NOT EXISTS undecodable_records
(
    topic LowCardinality(String),
    incarnation LowCardinality(String),
    partition UInt32,
    offset UInt64,
    consumed_at DateTime64(3, 'UTC') DEFAULT now64(3),
    error String,
    key String,
    headers String COMMENT 'JSON array of [name, value in base64 or null]',
    value String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, incarnation, partition, offset)
TTL toDateTime(consumed_at) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 50000, replicated_deduplication_window = 50000;
