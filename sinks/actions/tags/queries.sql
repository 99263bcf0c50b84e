-- name: lock_mappings
-- An entity that is deleted takes its mappings with it, so it waits for these locks, and then takes the new links too.
SELECT m.webhook_id, m.entity_type, m.external_id, m.realm_id, m.entity_id
FROM json_to_recordset(%(wanted)s::json) AS w (webhook_id uuid, entity_type text, external_id text)
JOIN external_entity_mappings AS m
    ON m.tenant_id = %(tenant_id)s AND m.webhook_id = w.webhook_id AND m.entity_type = w.entity_type
    AND m.external_id = w.external_id
ORDER BY m.webhook_id, m.entity_type, m.external_id, m.realm_id
FOR KEY SHARE OF m

-- name: find_tags
SELECT w.text AS wanted, t.id, t.tag_text, t.background_color, t.text_color, t.created_by, t.created_at, t.updated_at
FROM unnest(%(texts)s::text[]) AS w (text)
JOIN tags AS t ON t.tenant_id = %(tenant_id)s AND lower(t.tag_text) = lower(w.text)
ORDER BY t.id
FOR KEY SHARE OF t

-- name: insert_tags
-- Of several that are one tag the first is made.
INSERT INTO tags (tenant_id, id, tag_text, background_color, text_color, created_by, created_at, updated_at)
SELECT %(tenant_id)s, t.id, t.tag_text, t.background_color, t.text_color, t.created_by, %(now)s, %(now)s
FROM json_to_recordset(%(rows)s::json) AS t (
    position integer, id uuid, tag_text text, background_color text, text_color text, created_by uuid
)
ORDER BY lower(t.tag_text), t.position
ON CONFLICT DO NOTHING

-- name: insert_links
INSERT INTO entity_tags (tenant_id, tag_id, entity_type, entity_id, created_at)
SELECT %(tenant_id)s, l.tag_id, l.entity_type, l.entity_id, %(now)s
FROM json_to_recordset(%(rows)s::json) AS l (tag_id uuid, entity_type text, entity_id uuid)
ORDER BY l.entity_type, l.entity_id, l.tag_id
ON CONFLICT DO NOTHING
RETURNING tag_id, entity_type, entity_id
