-- name: insert_events
INSERT INTO outbox (tenant_id, event_id, event_type, entity_type, entity_id, occurred_at, payload)
SELECT %(tenant_id)s, e.event_id, e.event_type, e.entity_type, e.entity_id, %(occurred_at)s, e.payload
FROM json_to_recordset(%(rows)s::json) AS e (
    event_id uuid, event_type text, entity_type text, entity_id uuid, payload json
)
