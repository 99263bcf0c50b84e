-- name: job_columns
id, state, state_since, state_cause, state_reason, state_by, selection, mode, reason, rate_per_second, plan_only,
    confirm_records, asked_by, asked_at, planned_at, started_at, ended_at, selected, published, present, lost, refused,
    outcomes, outcomes_at, revision;

-- name: count_open
SELECT count(*) AS replays FROM replays
WHERE tenant_id = %(tenant_id)s AND state IN ('planning', 'awaiting_confirmation', 'running', 'paused');

-- name: insert_replay
INSERT INTO replays
    (tenant_id, id, selection, mode, reason, rate_per_second, plan_only, confirm_records, asked_by, asked_at)
VALUES
    (%(tenant_id)s, %(id)s, %(selection)s, %(mode)s, %(reason)s, %(rate_per_second)s, %(plan_only)s,
    %(confirm_records)s, %(asked_by)s, %(asked_at)s);

-- name: insert_ranges
INSERT INTO replay_ranges (tenant_id, replay_id, number, topic, partition, first_offset, last_offset, next_offset)
SELECT %(tenant_id)s, %(id)s, g.number, g.topic, g.partition, g.first, g.last, g.first
FROM jsonb_to_recordset(%(ranges)s::jsonb) AS g (number integer, topic text, partition integer, first bigint, last bigint);

-- name: get_replay
SELECT /*job_columns*/ FROM replays WHERE tenant_id = %(tenant_id)s AND id = %(id)s;

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR asked_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR asked_at < %(until)s)
    AND (%(state)s::text IS NULL OR state = %(state)s)

-- name: count_replays
SELECT count(*) AS total
FROM replays
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/;

-- name: list_replays
SELECT /*job_columns*/
FROM replays
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY asked_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s;

-- name: list_partitions
SELECT topic, partition, selected, passed, last_offset
FROM replay_cursors
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s
ORDER BY topic, partition;

-- name: list_ranges
SELECT topic, partition, first_offset, last_offset, is_read, deleted_first, deleted_end
FROM replay_ranges
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s
ORDER BY number;

-- name: change_state
UPDATE replays
SET state = %(state)s, state_since = now(), state_cause = %(cause)s, state_reason = %(reason)s, state_by = %(by)s,
    started_at = CASE WHEN %(state)s = 'running' THEN coalesce(started_at, now()) ELSE started_at END,
    resumed_at = CASE WHEN %(state)s = 'running' THEN now() ELSE resumed_at END,
    ended_at = CASE WHEN %(state)s = 'stopped' THEN now() END,
    revision = revision + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND state = ANY(%(from_states)s::text[])
RETURNING id;

-- name: record_columns
batch, position, delivery_id, origin_id, webhook_id, topic, partition, record_offset, result, code, reason,
    new_delivery_id, replayed_at_us;

-- name: count_records
SELECT count(*) AS total
FROM replay_records
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND (%(result)s::text IS NULL OR result = %(result)s);

-- name: list_records
SELECT /*record_columns*/
FROM replay_records
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND (%(result)s::text IS NULL OR result = %(result)s)
ORDER BY batch, position
LIMIT %(limit)s OFFSET %(offset)s;

-- name: list_records_behind
SELECT /*record_columns*/
FROM replay_records
WHERE tenant_id = %(tenant_id)s AND replay_id = %(id)s AND (%(result)s::text IS NULL OR result = %(result)s)
    AND (batch, position) > (%(batch)s, %(position)s)
ORDER BY batch, position
LIMIT %(limit)s;
