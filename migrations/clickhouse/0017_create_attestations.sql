-- What receivers say the broker acknowledged to them: one row per attestation, tenant, hour of `received_at` and
-- partition. `offsets` are the first and last of each run. `digest`: sum of the delivery ids' last 48 bits. Read with
-- FINAL: a receiver that heard no answer publishes the same attestation again.
CREATE TABLE IF NOT EXISTS attestations
(
    tenant_id UUID,
    hour DateTime('UTC'),
    instance_id UUID,
    sequence UInt64,
    topic LowCardinality(String),
    partition UInt32,
    accepted UInt64,
    invalid_json UInt64,
    late UInt64,
    digest UInt64,
    offsets Array(UInt64) CODEC(Delta, ZSTD(1)),
    attested_at DateTime64(6, 'UTC'),
    record_incarnation LowCardinality(String),
    record_partition UInt32,
    record_offset UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (tenant_id, hour, instance_id, sequence, topic, partition)
TTL hour + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 50000, replicated_deduplication_window = 50000;
