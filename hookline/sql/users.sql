-- name: read_database
SELECT currentDatabase() AS database

-- name: list_tenant_tables
SELECT name AS table_name
FROM system.tables
WHERE database = currentDatabase() AND engine NOT IN ('MaterializedView', 'View')
    AND name IN (SELECT table FROM system.columns WHERE database = currentDatabase() AND name = 'tenant_id')
ORDER BY table_name

-- name: find_user
SELECT
    name,
    name IN (SELECT user_name FROM system.settings_profile_elements WHERE inherit_profile = 'hookline_readers') AS is_ours
FROM system.users
WHERE name = {user:String}

-- name: list_users
SELECT
    elements.user_name AS user,
    anyIf(policies.select_filter, policies.short_name = concat('hookline_', elements.user_name)) AS condition,
    countIf(policies.short_name = concat('hookline_', elements.user_name)) AS tables
FROM (SELECT DISTINCT assumeNotNull(user_name) AS user_name
      FROM system.settings_profile_elements
      WHERE inherit_profile = 'hookline_readers' AND user_name IS NOT NULL) AS elements
LEFT JOIN system.row_policies AS policies
    ON policies.short_name = concat('hookline_', elements.user_name) AND policies.database = currentDatabase()
GROUP BY user
ORDER BY user

-- name: list_policies
SELECT short_name AS policy, table AS table_name
FROM system.row_policies
WHERE database = currentDatabase()
    AND short_name IN (concat('hookline_', {user:String}), concat('hookline_', {user:String}, '_only'))
ORDER BY policy, table_name

-- name: make_profile
CREATE SETTINGS PROFILE OR REPLACE hookline_readers SETTINGS
    readonly = 2 CONST, allow_ddl = 0 CONST, allow_introspection_functions = 0 CONST,
    max_execution_time = 300 MAX 300, max_memory_usage = 4294967296 MAX 4294967296,
    max_concurrent_queries_for_user = 8 MAX 8

-- name: make_user
CREATE USER IF NOT EXISTS %(user)s IDENTIFIED WITH sha256_hash BY '%(hash)s' SALT '%(salt)s'
    DEFAULT DATABASE %(database)s SETTINGS PROFILE 'hookline_readers'

-- name: change_password
ALTER USER %(user)s IDENTIFIED WITH sha256_hash BY '%(hash)s' SALT '%(salt)s'

-- name: keep_service_reading
CREATE ROW POLICY OR REPLACE hookline_service ON %(table)s AS PERMISSIVE FOR SELECT USING 1 TO CURRENT_USER

-- name: show_tenant
CREATE ROW POLICY OR REPLACE %(policy)s ON %(table)s AS PERMISSIVE FOR SELECT
    USING tenant_id = toUUID('%(tenant_id)s') TO %(user)s

-- name: show_nothing_else
CREATE ROW POLICY OR REPLACE %(only_policy)s ON %(table)s AS RESTRICTIVE FOR SELECT
    USING tenant_id = toUUID('%(tenant_id)s') TO %(user)s

-- name: let_read
GRANT SELECT ON %(table)s TO %(user)s

-- name: drop_user
DROP USER IF EXISTS %(user)s

-- name: drop_policy
DROP ROW POLICY IF EXISTS %(policy)s ON %(table)s
