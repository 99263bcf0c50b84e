-- name: write_out
SELECT formatQuery({sql:String}) AS statement;

-- name: list_table_functions
SELECT DISTINCT lower(name) AS name FROM system.table_functions;

-- name: list_tables
SELECT
    database,
    name AS table_name,
    (database, name) IN (SELECT database, table FROM system.columns WHERE name = 'tenant_id') AS of_tenant
FROM system.tables
WHERE lower(database) != 'information_schema';

-- name: read_readonly
SELECT toString(getSetting('readonly')) AS readonly;
