-- What each webhook received in all: one row per webhook once merged, so that a list of webhooks need not add up hours.
CREATE TABLE IF NOT EXISTS webhook_totals
(
    tenant_id UUID,
    webhook_id UUID,
    triggers SimpleAggregateFunction(sum, UInt64),
    last_triggered_at SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant_id, webhook_id)
SETTINGS non_replicated_deduplication_window = 50000, replicated_deduplication_window = 50000;
