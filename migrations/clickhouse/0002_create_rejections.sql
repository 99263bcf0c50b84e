-- Requests that were not accepted. tenant_id and webhook_id are the nil UUID when unknown: such rows belong to no tenant.
CREATE TABLE IF NOT EXISTS rejections
(
    tenant_id UUID,
    rejected_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    rejection_id UUID,
    webhook_id UUID,
    method LowCardinality(String),
    path String CODEC(ZSTD(1)),
    headers String CODEC(ZSTD(1)) COMMENT 'JSON object of text, names in lower case',
    source_ip String CODEC(ZSTD(1)),
    user_agent Nullable(String) CODEC(ZSTD(1)),
    reason LowCardinality(String),
    count UInt32,
    raw_incarnation LowCardinality(String),
    raw_partition UInt32,
    raw_offset UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(rejected_at)
ORDER BY (tenant_id, rejected_at, rejection_id)
TTL toDateTime(rejected_at) + INTERVAL 14 DAY
SETTINGS non_replicated_deduplication_window = 50000, replicated_deduplication_window = 50000;
