-- name: find_webhook
SELECT is_active FROM webhooks WHERE tenant_id = %(tenant_id)s AND id = %(webhook_id)s;

-- name: insert_replay
INSERT INTO delivery_replays
    (tenant_id, delivery_id, webhook_id, origin_id, replay_id, mode, replayed_by, replayed_at, reason, change_kind, change)
VALUES
    (%(tenant_id)s, %(delivery_id)s, %(webhook_id)s, %(origin_id)s, %(replay_id)s, %(mode)s, %(replayed_by)s,
    %(replayed_at)s, %(reason)s, %(change_kind)s, %(change)s);
