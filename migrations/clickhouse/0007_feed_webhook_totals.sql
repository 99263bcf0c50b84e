-- From each insert into `webhook_activity`, which is few rows by then; made before 0008, so that no insert passes it.
CREATE MATERIALIZED VIEW IF NOT EXISTS webhook_totals_feed TO webhook_totals AS
SELECT tenant_id, webhook_id, sum(triggers) AS triggers, max(last_triggered_at) AS last_triggered_at
FROM webhook_activity
GROUP BY tenant_id, webhook_id;
