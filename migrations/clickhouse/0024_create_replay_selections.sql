-- What a replay job selects, frozen when it is planned, in the order in which it is gone through. A plan that was begun
-- anew has the next `attempt`; rows of earlier ones are never read. `origin_id` is the delivery that is replayed: of a
-- replay the one it replays.
CREATE TABLE IF NOT EXISTS replay_selections
(
    tenant_id UUID,
    replay_id UUID,
    attempt UInt32,
    raw_topic LowCardinality(String),
    raw_partition UInt32,
    raw_offset UInt64,
    delivery_id UUID,
    origin_id UUID,
    webhook_id UUID,
    received_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    body_bytes UInt32,
    selected_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant_id, replay_id, attempt, raw_topic, raw_partition, raw_offset, delivery_id)
TTL toDateTime(selected_at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000
