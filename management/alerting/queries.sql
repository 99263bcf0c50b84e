-- name: read_open
SELECT tenant_id, id, rule, subject, webhook_id FROM alerts WHERE state = 'open'

-- name: read_overrides
SELECT tenant_id, rule, webhook_id, parameters FROM alert_rules

-- name: read_webhooks
SELECT
    w.tenant_id, w.id, w.name, w.priority,
    w.is_active AND t.inbound_webhooks_enabled AND 'webhooks' = ANY (t.entitlements) AS is_in_force
FROM unnest(%(tenant_ids)s::uuid[], %(webhook_ids)s::uuid[]) AS wanted (tenant_id, webhook_id)
JOIN webhooks w ON w.tenant_id = wanted.tenant_id AND w.id = wanted.webhook_id
JOIN tenants t ON t.id = w.tenant_id

-- name: list_ledger_findings
SELECT
    tenant_id, kind, min(found_at) AS first_found_at, max(found_at) AS last_found_at, sum(count)::bigint AS records,
    count(*) FILTER (WHERE topic != '') AS ranges, min(hour) AS first_hour, max(hour) AS last_hour,
    date_trunc(CASE kind WHEN 'late_pending' THEN 'hour' ELSE 'milliseconds' END, found_at, 'UTC') AS told_at,
    (array_agg(DISTINCT detail))[1:%(reasons_max)s] AS reasons
FROM ledger_differences
WHERE resolved_at IS NULL
GROUP BY tenant_id, kind, told_at

-- name: list_ledger_places
SELECT
    ARRAY(
        SELECT format('%%s-%%s:%%s-%%s', d.topic, d.partition, d.first_offset, d.last_offset)
        FROM ledger_differences d
        WHERE d.tenant_id = wanted.tenant_id AND d.kind = wanted.kind AND d.resolved_at IS NULL AND d.topic != ''
            AND d.found_at BETWEEN wanted.first_found_at AND wanted.last_found_at
        ORDER BY d.topic, d.partition, d.first_offset
        LIMIT %(places_max)s
    ) AS places
FROM unnest(
    %(tenant_ids)s::uuid[], %(kinds)s::text[], %(first_found)s::timestamptz[], %(last_found)s::timestamptz[]
) WITH ORDINALITY AS wanted (tenant_id, kind, first_found_at, last_found_at, number)
ORDER BY wanted.number

-- name: raise_alerts
INSERT INTO alerts (tenant_id, id, rule, subject, webhook_id, severity, message, details, raised_at)
SELECT a.tenant_id, a.id, a.rule, a.subject, a.webhook_id, a.severity, a.message, a.details, %(raised_at)s
FROM json_to_recordset(%(rows)s::json) AS a (
    tenant_id uuid, id uuid, rule text, subject text, webhook_id uuid, severity text, message text, details jsonb
)
WHERE a.tenant_id IS NULL OR EXISTS (SELECT FROM tenants t WHERE t.id = a.tenant_id)
ON CONFLICT DO NOTHING
RETURNING *

-- name: resolve_alerts
UPDATE alerts
SET state = 'resolved', resolved_at = %(resolved_at)s, resolution = r.resolution
FROM json_to_recordset(%(rows)s::json) AS r (id uuid, resolution text)
WHERE alerts.id = r.id AND alerts.state = 'open'
RETURNING alerts.*

-- name: count_open
SELECT
    count(*) FILTER (WHERE tenant_id IS NOT NULL) AS of_tenants,
    count(*) FILTER (WHERE tenant_id IS NULL) AS of_installation
FROM alerts
WHERE state = 'open'
