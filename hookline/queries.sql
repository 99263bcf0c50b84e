-- name: set_login_password
SELECT set_config('hookline.login_password', %(password)s, true)

-- name: ensure_login
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hookline_login') THEN
        CREATE ROLE hookline_login LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    END IF;
    GRANT hookline_service, hookline_relay TO hookline_login;
    EXECUTE format('ALTER ROLE hookline_login PASSWORD %L', current_setting('hookline.login_password'));
END
$$

-- name: issue_api_key
INSERT INTO api_keys (tenant_id, id, name, key_prefix, key_hash, permissions, user_id)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(key_prefix)s, %(key_hash)s, '{*}', %(user_id)s)

-- name: become_relay
SET ROLE hookline_relay

-- name: become_service
SET ROLE hookline_service

-- name: page_secrets
SELECT tenant_id, webhook_id, slot, sealed
FROM webhook_secrets
WHERE NOT starts_with(sealed, %(current)s) AND (tenant_id, webhook_id, slot) > (%(tenant_id)s, %(webhook_id)s, %(slot)s)
ORDER BY tenant_id, webhook_id, slot
LIMIT %(limit)s

-- name: replace_secret
UPDATE webhook_secrets SET sealed = %(resealed)s
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s AND slot = %(slot)s AND sealed = %(sealed)s

-- name: page_erasure_values
SELECT tenant_id, id, sealed_value AS sealed
FROM erasures
WHERE sealed_value IS NOT NULL AND NOT starts_with(sealed_value, %(current)s) AND (tenant_id, id) > (%(tenant_id)s, %(id)s)
ORDER BY tenant_id, id
LIMIT %(limit)s

-- name: replace_erasure_value
UPDATE erasures SET sealed_value = %(resealed)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND sealed_value = %(sealed)s

-- name: last_change
SELECT coalesce(max(position), 0) AS position FROM configuration_outbox

-- name: count_changes
SELECT count(*) AS changes FROM configuration_outbox WHERE position <= %(position)s
