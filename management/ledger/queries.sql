-- name: list_examined_tenants
-- As hookline_relay: tenants of whom something is entered for these hours, or open.
SELECT tenant_id FROM ledger_entries WHERE hour >= %(since)s AND hour < %(until)s
UNION
SELECT tenant_id FROM ledger_differences WHERE hour >= %(since)s AND hour < %(until)s AND resolved_at IS NULL

-- name: count_open_differences
-- As hookline_relay: of all tenants.
SELECT kind, sum(count)::bigint AS count FROM ledger_differences WHERE resolved_at IS NULL GROUP BY kind

-- name: find_tenant
SELECT id FROM tenants WHERE id = %(tenant_id)s

-- name: find_last_entry
SELECT tenant_id, number, hour, revision, entered_at, counts, previous_hash, hash
FROM ledger_entries
WHERE tenant_id = %(tenant_id)s
ORDER BY number DESC
LIMIT 1

-- name: list_newest_revisions
SELECT DISTINCT ON (hour) tenant_id, number, hour, revision, entered_at, counts, previous_hash, hash
FROM ledger_entries
WHERE tenant_id = %(tenant_id)s
    AND (%(since)s::timestamptz IS NULL OR hour >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR hour < %(until)s)
ORDER BY hour, revision DESC

-- name: list_chain
SELECT tenant_id, number, hour, revision, entered_at, counts, previous_hash, hash
FROM ledger_entries
WHERE tenant_id = %(tenant_id)s AND number > %(after_number)s
ORDER BY number
LIMIT %(limit)s

-- name: insert_entry
INSERT INTO ledger_entries (tenant_id, number, hour, revision, entered_at, counts, previous_hash, hash)
VALUES (%(tenant_id)s, %(number)s, %(hour)s, %(revision)s, %(entered_at)s, %(counts)s, %(previous_hash)s, %(hash)s)

-- name: count_entries
SELECT count(*) AS total
FROM ledger_entries
WHERE tenant_id = %(tenant_id)s
    AND (%(since)s::timestamptz IS NULL OR hour >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR hour < %(until)s)

-- name: list_entries
SELECT tenant_id, number, hour, revision, entered_at, counts, previous_hash, hash
FROM ledger_entries
WHERE tenant_id = %(tenant_id)s
    AND (%(since)s::timestamptz IS NULL OR hour >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR hour < %(until)s)
ORDER BY number DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: upsert_difference
INSERT INTO ledger_differences (tenant_id, hour, kind, topic, partition, first_offset, last_offset, count, detail)
VALUES (%(tenant_id)s, %(hour)s, %(kind)s, %(topic)s, %(partition)s, %(first_offset)s, %(last_offset)s, %(count)s,
    %(detail)s)
ON CONFLICT (tenant_id, hour, kind, topic, partition, first_offset, last_offset, detail)
DO UPDATE SET
    count = excluded.count,
    found_at = CASE WHEN ledger_differences.resolved_at IS NULL THEN ledger_differences.found_at ELSE now() END,
    resolved_at = NULL
RETURNING id, found_at = now() AS is_new

-- name: resolve_differences
UPDATE ledger_differences
SET resolved_at = now()
WHERE tenant_id = %(tenant_id)s AND hour >= %(since)s AND hour < %(until)s AND resolved_at IS NULL
    AND kind = ANY(%(kinds)s::text[]) AND NOT id = ANY(%(still_open_ids)s::uuid[])

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR hour >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR hour < %(until)s)
    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(is_open)s::boolean IS NULL OR (resolved_at IS NULL) = %(is_open)s)

-- name: count_differences
SELECT count(*) AS total
FROM ledger_differences
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: list_differences
SELECT id, hour, kind, topic, partition, first_offset, last_offset, count, detail, found_at, resolved_at
FROM ledger_differences
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY found_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s
