-- name: newest_update
SELECT toInt64(max(arrayMax(block_numbers.number))) AS version
FROM system.mutations
WHERE database = currentDatabase() AND table = 'deliveries' AND position(command, {marker:String}) > 0

-- name: what_is_left
-- Only where `_state` is asked for are parts shown whose files are being deleted, which takes seconds where there are many.
SELECT
    (
        SELECT count() FROM system.mutations
        WHERE database = currentDatabase() AND table = 'deliveries' AND NOT is_done
            AND arrayMax(block_numbers.number) <= {version:Int64}
    ) AS updates,
    (
        SELECT count(_state) FROM system.parts
        WHERE database = currentDatabase() AND table = 'deliveries' AND data_version < {version:Int64}
    ) AS parts
