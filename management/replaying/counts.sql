-- name: count_replays
INSERT INTO replay_counts (tenant_id, origin_id, replays, replays_max)
SELECT %(tenant_id)s, wanted.origin_id, 1, wanted.replays_max
FROM unnest(%(origin_ids)s::uuid[], %(maxima)s::integer[]) AS wanted (origin_id, replays_max)
WHERE wanted.replays_max > 0
ORDER BY wanted.origin_id
ON CONFLICT (tenant_id, origin_id) DO UPDATE
SET replays = replay_counts.replays + 1, replays_max = excluded.replays_max, last_at = now()
WHERE replay_counts.replays < excluded.replays_max
RETURNING origin_id;
