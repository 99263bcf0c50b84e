-- name: read_settings
SELECT tenant_id, webhook_id, body_days, row_days, rejection_days
FROM retention_settings FINAL

-- name: list_groups
-- What has to be looked at: the tenants that have or had settings, each with the days of its webhooks that have none of
-- their own (`listed` is false), and with every pair of days that some of its webhooks have.
SELECT
    tenant_id, false AS listed,
    ifNull(anyIf(body_days, webhook_id = toUUID('00000000-0000-0000-0000-000000000000')), 30) AS bodies,
    ifNull(anyIf(row_days, webhook_id = toUUID('00000000-0000-0000-0000-000000000000')), 400) AS rows,
    ifNull(anyIf(rejection_days, webhook_id = toUUID('00000000-0000-0000-0000-000000000000')), 14) AS rejections
FROM retention_settings FINAL
GROUP BY tenant_id
UNION ALL
SELECT DISTINCT tenant_id, true AS listed, assumeNotNull(body_days), assumeNotNull(row_days), 0
FROM retention_settings FINAL
WHERE webhook_id != toUUID('00000000-0000-0000-0000-000000000000') AND isNotNull(body_days) AND isNotNull(row_days)

-- name: stale_deliveries
tenant_id = {tenant_id:UUID}
    AND {listed:Bool} = (webhook_id IN (
        SELECT webhook_id FROM retention_settings FINAL
        WHERE tenant_id = {tenant_id:UUID} AND webhook_id != toUUID('00000000-0000-0000-0000-000000000000')
            AND isNotNull(body_days)
            AND (NOT {listed:Bool} OR (body_days = {bodies:UInt16} AND row_days = {rows:UInt16}))))
    AND (ifNull(body_expires_at, toDateTime(received_at) + INTERVAL 30 DAY)
            != toDateTime(least(toUnixTimestamp(received_at) + {bodies:Int64} * 86400, 4294967295))
        OR ifNull(row_expires_at, toDateTime(received_at) + INTERVAL 400 DAY)
            != toDateTime(least(toUnixTimestamp(received_at) + {rows:Int64} * 86400, 4294967295)))

-- name: has_stale_deliveries
SELECT count() AS found
FROM
(
    SELECT 1
    FROM deliveries
    WHERE /*stale_deliveries*/
    LIMIT 1
)

-- name: update_deliveries
ALTER TABLE deliveries UPDATE
    body_expires_at = toDateTime(least(toUnixTimestamp(received_at) + {bodies:Int64} * 86400, 4294967295)),
    row_expires_at = toDateTime(least(toUnixTimestamp(received_at) + {rows:Int64} * 86400, 4294967295))
WHERE /*stale_deliveries*/

-- name: stale_rejections
tenant_id = {tenant_id:UUID}
    AND ifNull(expires_at, toDateTime(rejected_at) + INTERVAL 14 DAY)
        != toDateTime(least(toUnixTimestamp(rejected_at) + {rejections:Int64} * 86400, 4294967295))

-- name: has_stale_rejections
SELECT count() AS found
FROM
(
    SELECT 1
    FROM rejections
    WHERE /*stale_rejections*/
    LIMIT 1
)

-- name: update_rejections
ALTER TABLE rejections UPDATE
    expires_at = toDateTime(least(toUnixTimestamp(rejected_at) + {rejections:Int64} * 86400, 4294967295))
WHERE /*stale_rejections*/

-- name: count_running
SELECT count() AS running
FROM system.mutations
WHERE database = currentDatabase() AND table IN ('deliveries', 'rejections') AND NOT is_done
    AND position(command, '_expires_at = ') + position(command, 'UPDATE expires_at = ') > 0
