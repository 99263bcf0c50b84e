-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR raised_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR raised_at < %(until)s)
    AND (%(state)s::text IS NULL OR state = %(state)s)
    AND (%(rule)s::text IS NULL OR rule = %(rule)s)
    AND (%(severity)s::text IS NULL OR severity = %(severity)s)
    AND (%(webhook_id)s::uuid IS NULL OR webhook_id = %(webhook_id)s)

-- name: count_alerts
SELECT count(*) AS total
FROM alerts
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/;

-- name: list_alerts
SELECT *
FROM alerts
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY raised_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s;

-- name: get_alert
SELECT * FROM alerts WHERE tenant_id = %(tenant_id)s AND id = %(id)s;

-- name: acknowledge_alert
UPDATE alerts
SET acknowledged_at = %(at)s, acknowledged_by = %(by)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND state = 'open' AND acknowledged_at IS NULL
RETURNING *;
