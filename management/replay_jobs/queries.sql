-- name: list_due
-- Of all tenants. Paused ones are looked at for their outcomes, and those that paused for lag for its end; ended ones
-- until the log has all their outcomes, or an hour has passed.
SELECT tenant_id, id
FROM replays r
WHERE state IN ('planning', 'running', 'paused')
    OR EXISTS (SELECT FROM replay_batches b WHERE b.tenant_id = r.tenant_id AND b.replay_id = r.id AND b.done_at IS NULL)
    OR ended_at > now() - interval '1 hour' AND published > 0 AND NOT has_all_outcomes
ORDER BY asked_at, id
LIMIT %(limit)s

-- name: read_job
SELECT tenant_id, id, state, state_cause, selection, mode, rate_per_second, plan_only, confirm_records, asked_at,
    planning_attempts, started_at, resumed_at, batches, published,
    EXISTS (
        SELECT FROM replay_batches b WHERE b.tenant_id = %(tenant_id)s AND b.replay_id = %(id)s AND b.done_at IS NULL
    ) AS has_batch_in_hand
FROM replays
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: count_open_by_state
SELECT state, count(*) AS replays
FROM replays
WHERE state IN ('planning', 'awaiting_confirmation', 'running', 'paused')
GROUP BY state

-- name: begin_planning
UPDATE replays SET planning_attempts = planning_attempts + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND state = 'planning'
RETURNING planning_attempts

-- name: note_waiting
UPDATE replays SET state_reason = %(reason)s, revision = revision + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND state = 'planning' AND state_reason IS DISTINCT FROM %(reason)s

-- name: next_range
SELECT number, topic, partition, first_offset, last_offset, next_offset, deleted_first, deleted_end
FROM replay_ranges
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND NOT is_read
ORDER BY number
LIMIT 1

-- name: note_range
UPDATE replay_ranges
SET next_offset = %(next_offset)s, is_read = %(is_read)s, deleted_first = coalesce(deleted_first, %(deleted_first)s),
    deleted_end = coalesce(%(deleted_end)s, deleted_end)
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND number = %(number)s

-- name: insert_cursors
INSERT INTO replay_cursors (tenant_id, replay_id, topic, partition, selected)
SELECT %(tenant_id)s, %(id)s, topic, partition, selected
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(selected)s::bigint[]) AS found (topic, partition, selected)

-- name: note_planned
UPDATE replays
SET state = %(state)s, state_since = now(), state_cause = %(cause)s, state_reason = %(reason)s, planned_at = now(),
    started_at = CASE WHEN %(state)s = 'running' THEN now() END,
    resumed_at = CASE WHEN %(state)s = 'running' THEN now() END,
    selected = %(selected_in_all)s, lost = %(lost)s, revision = revision + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND state = 'planning' AND planning_attempts = %(attempt)s

-- name: next_cursor
-- The one that is furthest behind, so that all partitions get on.
SELECT topic, partition, last_offset, last_delivery_id
FROM replay_cursors
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND passed < selected
ORDER BY passed::double precision / selected, topic, partition
LIMIT 1

-- name: lock_running
SELECT batches FROM replays
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND state = 'running' AND batches = %(batches)s
FOR NO KEY UPDATE

-- name: find_replayed
SELECT origin_id
FROM replay_records
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND origin_id = ANY(%(origin_ids)s::uuid[])
    AND result IN ('noted', 'published')

-- name: insert_records
INSERT INTO replay_records
    (tenant_id, replay_id, batch, position, delivery_id, origin_id, webhook_id, received_at_us, topic, partition,
    record_offset, result, code, reason, new_delivery_id, replayed_at_us)
SELECT
    %(tenant_id)s, %(id)s, %(number)s, n.position, n.delivery_id, n.origin_id, n.webhook_id, n.received_at_us, n.topic,
    n.partition, n.record_offset, n.result, n.code, n.reason, n.new_delivery_id, n.replayed_at_us
FROM jsonb_to_recordset(%(records)s::jsonb) AS n (position integer, delivery_id uuid, origin_id uuid, webhook_id uuid,
    received_at_us bigint, topic text, partition integer, record_offset bigint, result text, code text, reason text,
    new_delivery_id uuid, replayed_at_us bigint)

-- name: insert_batch
INSERT INTO replay_batches
    (tenant_id, replay_id, number, topic, partition, passed, last_offset, last_delivery_id, end_offset)
VALUES
    (%(tenant_id)s, %(id)s, %(number)s, %(topic)s, %(partition)s, %(passed)s, %(last_offset)s, %(last_delivery_id)s,
    %(end_offset)s)

-- name: note_batch
UPDATE replays SET batches = %(number)s WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: batch_in_hand
SELECT number, topic, partition, passed, last_offset, last_delivery_id, end_offset, written_at,
    extract(epoch FROM clock_timestamp() - written_at)::double precision AS age_seconds
FROM replay_batches
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND done_at IS NULL

-- name: list_noted
SELECT position, delivery_id, origin_id, webhook_id, received_at_us, topic, partition, record_offset, new_delivery_id,
    replayed_at_us
FROM replay_records
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND batch = %(number)s AND result = 'noted'
ORDER BY position

-- name: note_published
UPDATE replay_records SET result = 'published'
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND batch = %(number)s AND result = 'noted'
    AND new_delivery_id = ANY(%(new_delivery_ids)s::uuid[])

-- name: note_unpublished
UPDATE replay_records r
SET result = u.result, code = u.code, reason = u.reason, new_delivery_id = NULL, replayed_at_us = NULL
FROM jsonb_to_recordset(%(unpublished)s::jsonb) AS u (new_delivery_id uuid, result text, code text, reason text)
WHERE r.tenant_id = %(tenant_id)s AND r.replay_id = %(id)s AND r.batch = %(number)s AND r.result = 'noted'
    AND r.new_delivery_id = u.new_delivery_id

-- name: take_up_batch
UPDATE replay_batches SET written_at = clock_timestamp()
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND number = %(number)s AND done_at IS NULL
    AND written_at = %(written_at)s

-- name: finish_batch
UPDATE replay_batches SET done_at = clock_timestamp()
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND number = %(number)s AND done_at IS NULL

-- name: move_cursor
UPDATE replay_cursors
SET passed = passed + %(passed)s, last_offset = %(last_offset)s, last_delivery_id = %(last_delivery_id)s
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND topic = %(topic)s AND partition = %(partition)s

-- name: count_batch
SELECT result, count(*) AS records
FROM replay_records
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND batch = %(number)s
GROUP BY result

-- name: add_counts
UPDATE replays
SET published = published + %(published)s, present = present + %(present)s, lost = lost + %(lost)s,
    refused = refused + %(refused)s, revision = revision + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: end_job
UPDATE replays
SET state = %(state)s, state_since = now(), state_cause = %(cause)s, state_reason = %(reason)s, state_by = NULL,
    ended_at = now(), revision = revision + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND state IN ('planning', 'running')
RETURNING selected, published, present, lost, refused

-- name: pause_job
UPDATE replays
SET state = 'paused', state_since = now(), state_cause = %(cause)s, state_reason = %(reason)s, state_by = NULL,
    revision = revision + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND state = 'running'
RETURNING id

-- name: resume_after_lag
-- What failed before counts on: only a person's resumption begins anew.
UPDATE replays
SET state = 'running', state_since = now(), state_cause = NULL, state_reason = NULL, state_by = NULL,
    revision = revision + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND state = 'paused' AND state_cause = 'lag'
RETURNING id

-- name: note_outcomes
UPDATE replays
SET outcomes = %(outcomes)s, outcomes_at = now(), has_all_outcomes = %(has_all)s,
    revision = revision + (outcomes IS DISTINCT FROM %(outcomes)s::jsonb)::integer
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: list_forgettable
-- Of all tenants: jobs that ended so long ago that what became of each record is no longer kept.
SELECT tenant_id, id
FROM replays
WHERE ended_at < now() - make_interval(days => %(kept_days)s) AND has_records
ORDER BY ended_at
LIMIT %(limit)s

-- name: forget_records
DELETE FROM replay_records WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s

-- name: forget_batches
DELETE FROM replay_batches WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s

-- name: note_forgotten
UPDATE replays SET has_records = false WHERE tenant_id = %(tenant_id)s AND id = %(id)s
