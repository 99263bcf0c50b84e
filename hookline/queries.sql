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
