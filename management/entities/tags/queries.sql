-- name: shown_columns
id, tag_text, background_color, text_color, created_by, created_at, updated_at

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    AND position(lower(%(search)s) IN lower(tag_text)) > 0
    AND (
        (%(entity_type)s::text IS NULL AND %(entity_id)s::uuid IS NULL)
        OR id IN (
            SELECT l.tag_id FROM entity_tags AS l
            WHERE l.tenant_id = %(tenant_id)s
                AND (%(entity_type)s::text IS NULL OR l.entity_type = %(entity_type)s)
                AND (%(entity_id)s::uuid IS NULL OR l.entity_id = %(entity_id)s)
        )
    )

-- name: count
SELECT count(*) AS total
FROM tags
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/
FROM tags
WHERE tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/
FROM tags
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: lock
SELECT id FROM tags WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO tags (tenant_id, id, tag_text, background_color, text_color, created_by, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(tag_text)s, %(background_color)s, %(text_color)s, %(created_by)s, %(now)s, %(now)s)

-- name: update
UPDATE tags
SET tag_text = %(tag_text)s, background_color = %(background_color)s, text_color = %(text_color)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM tags WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: insert_link
INSERT INTO entity_tags (tenant_id, tag_id, entity_type, entity_id, created_at)
VALUES (%(tenant_id)s, %(id)s, %(entity_type)s, %(entity_id)s, %(now)s)
ON CONFLICT DO NOTHING

-- name: delete_link
DELETE FROM entity_tags
WHERE tenant_id = %(tenant_id)s AND tag_id = %(id)s AND entity_type = %(entity_type)s AND entity_id = %(entity_id)s
