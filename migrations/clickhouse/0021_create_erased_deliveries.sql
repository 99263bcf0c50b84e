-- Which deliveries an erasure clears: statements that clear name them by this table, and so hold no value. Besides the
-- body, `clears_request` is headers, query and dedupe key, `clears_outcome` what the outcomes say.
CREATE TABLE IF NOT EXISTS erased_deliveries
(
    tenant_id UUID,
    erasure_id UUID,
    webhook_id UUID,
    received_at DateTime64(6, 'UTC'),
    delivery_id UUID,
    clears_request SimpleAggregateFunction(max, UInt8),
    clears_outcome SimpleAggregateFunction(max, UInt8),
    erased_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')) DEFAULT now64(3)
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant_id, erasure_id, webhook_id, received_at, delivery_id)
TTL toDateTime(erased_at) + INTERVAL 60 DAY
SETTINGS non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000;
