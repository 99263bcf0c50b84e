-- What each webhook received and how it ended, per hour of `received_at`; 0008 feeds it from inserts into `deliveries`.
-- Deliveries are counted as sets, because an outcome that was recorded again after a crash arrives in another insert.
-- `uniq` is exact to some 65,000 members and bounded beyond (256 KiB, within 1 %). Only the last 24 hours are asked for,
-- of webhooks that lie anywhere: small granules, so that their neighbours are not read with them.
CREATE TABLE IF NOT EXISTS webhook_activity
(
    tenant_id UUID,
    webhook_id UUID,
    hour DateTime('UTC'),
    triggers SimpleAggregateFunction(sum, UInt64),
    last_triggered_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    finished_deliveries AggregateFunction(uniq, UUID) TTL hour + INTERVAL 2 DAY,
    failed_deliveries AggregateFunction(uniq, UUID) TTL hour + INTERVAL 2 DAY
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (tenant_id, webhook_id, hour)
TTL hour + INTERVAL 400 DAY
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 50000, replicated_deduplication_window = 50000;
