-- A row of `deliveries` is a request (it has a place in a raw topic) or an outcome. Tests and replays count as neither;
-- a request that was answered 400 is no trigger.
CREATE MATERIALIZED VIEW IF NOT EXISTS webhook_activity_feed TO webhook_activity AS
SELECT
    tenant_id,
    webhook_id,
    toStartOfHour(received_at, 'UTC') AS hour,
    countIf(isNotNull(raw_topic) AND NOT ifNull(invalid_json, false)) AS triggers,
    maxIf(received_at, isNotNull(raw_topic) AND NOT ifNull(invalid_json, false)) AS last_triggered_at,
    uniqStateIf(delivery_id, coalesce(handled_status, processed_status, 'pending') != 'pending') AS finished_deliveries,
    uniqStateIf(delivery_id, coalesce(handled_status, processed_status, '') = 'failed') AS failed_deliveries
FROM deliveries
WHERE NOT ifNull(is_test, false) AND isNull(replay_id)
GROUP BY tenant_id, webhook_id, hour;
