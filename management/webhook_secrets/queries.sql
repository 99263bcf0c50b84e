-- name: delete_secrets
DELETE FROM webhook_secrets WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s

-- name: delete_previous
DELETE FROM webhook_secrets
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s AND slot = 'previous'

-- name: keep_as_previous
UPDATE webhook_secrets SET slot = 'previous', valid_until = %(valid_until)s
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s AND slot = 'current'

-- name: insert_current
INSERT INTO webhook_secrets (tenant_id, webhook_id, slot, sealed)
VALUES (%(tenant_id)s, %(webhook_id)s, 'current', %(sealed)s)
