-- name: lock_mappings
SELECT m.webhook_id, m.external_id, m.realm_id, m.entity_id
FROM json_to_recordset(%(wanted)s::json) AS w (webhook_id uuid, external_id text)
JOIN external_entity_mappings AS m
    ON m.tenant_id = %(tenant_id)s AND m.webhook_id = w.webhook_id AND m.entity_type = 'asset'
    AND m.external_id = w.external_id
ORDER BY m.webhook_id, m.external_id, m.realm_id
FOR UPDATE OF m

-- name: lock_devices
-- The inner rows are sorted before the outer function is called: everybody takes these locks in one order.
SELECT pg_advisory_xact_lock(d.key)
FROM (SELECT DISTINCT hashtextextended(name, 0) AS key FROM unnest(%(devices)s::text[]) AS n (name) ORDER BY 1) AS d

-- name: find_devices
SELECT a.id
FROM json_to_recordset(%(wanted)s::json) AS w (provider text, device_id text)
JOIN assets AS a
    ON a.tenant_id = %(tenant_id)s AND a.rmm_provider = w.provider AND a.rmm_device_id = w.device_id

-- name: find_tags
SELECT w.tag AS wanted, lower(w.tag) AS key, a.id
FROM unnest(%(tags)s::text[]) AS w (tag)
LEFT JOIN assets AS a ON a.tenant_id = %(tenant_id)s AND lower(a.asset_tag) = lower(w.tag)

-- name: find_external_ids
SELECT webhook_id, entity_id, external_id
FROM external_entity_mappings
WHERE tenant_id = %(tenant_id)s AND webhook_id = ANY(%(webhook_ids)s) AND entity_type = 'asset'
    AND entity_id = ANY(%(ids)s)

-- name: lock_assets
-- No key is changed: who links a ticket to an asset need not wait.
SELECT id, client_id, asset_type, name, asset_tag, serial_number, status, location, is_active, rmm_provider,
    rmm_device_id, created_at, updated_at
FROM assets
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
ORDER BY id
FOR NO KEY UPDATE

-- name: read_details
SELECT asset_id, status, hostname, display_name, os_name, os_version, agent_version, last_seen_at, last_user,
    uptime_seconds, lan_ip, wan_ip, cpu_model, cpu_cores, ram_bytes, disks, antivirus_name, antivirus_enabled,
    antivirus_up_to_date, patches_pending, patches_failed, patches_last_scan_at, software, extension
FROM asset_rmm_details
WHERE tenant_id = %(tenant_id)s AND asset_id = ANY(%(ids)s)

-- name: insert_assets
INSERT INTO assets
    (tenant_id, id, client_id, asset_type, name, asset_tag, serial_number, status, location, is_active, rmm_provider,
    rmm_device_id, created_at, updated_at)
SELECT %(tenant_id)s, a.id, a.client_id, a.asset_type, a.name, a.asset_tag, a.serial_number, a.status, a.location,
    a.is_active, a.rmm_provider, a.rmm_device_id, %(now)s, %(now)s
FROM json_to_recordset(%(rows)s::json) AS a (
    id uuid, client_id uuid, asset_type text, name text, asset_tag text, serial_number text, status text, location text,
    is_active boolean, rmm_provider text, rmm_device_id text
)
ORDER BY lower(a.asset_tag), a.id

-- name: update_assets
UPDATE assets
SET client_id = n.client_id, asset_type = n.asset_type, name = n.name, asset_tag = n.asset_tag,
    serial_number = n.serial_number, status = n.status, location = n.location, is_active = n.is_active,
    rmm_provider = n.rmm_provider, rmm_device_id = n.rmm_device_id, updated_at = n.updated_at
FROM json_to_recordset(%(rows)s::json) AS n (
    id uuid, client_id uuid, asset_type text, name text, asset_tag text, serial_number text, status text, location text,
    is_active boolean, rmm_provider text, rmm_device_id text, updated_at timestamptz
)
WHERE assets.tenant_id = %(tenant_id)s AND assets.id = n.id

-- name: insert_details
INSERT INTO asset_rmm_details
    (tenant_id, asset_id, status, hostname, display_name, os_name, os_version, agent_version, last_seen_at, last_user,
    uptime_seconds, lan_ip, wan_ip, cpu_model, cpu_cores, ram_bytes, disks, antivirus_name, antivirus_enabled,
    antivirus_up_to_date, patches_pending, patches_failed, patches_last_scan_at, software, extension, updated_at)
SELECT %(tenant_id)s, d.asset_id, d.status, d.hostname, d.display_name, d.os_name, d.os_version, d.agent_version,
    d.last_seen_at, d.last_user, d.uptime_seconds, d.lan_ip, d.wan_ip, d.cpu_model, d.cpu_cores, d.ram_bytes, d.disks,
    d.antivirus_name, d.antivirus_enabled, d.antivirus_up_to_date, d.patches_pending, d.patches_failed,
    d.patches_last_scan_at, d.software, d.extension, %(now)s
FROM json_to_recordset(%(rows)s::json) AS d (
    asset_id uuid, status text, hostname text, display_name text, os_name text, os_version text, agent_version text,
    last_seen_at timestamptz, last_user text, uptime_seconds bigint, lan_ip text, wan_ip text, cpu_model text,
    cpu_cores bigint, ram_bytes bigint, disks jsonb, antivirus_name text, antivirus_enabled boolean,
    antivirus_up_to_date boolean, patches_pending bigint, patches_failed bigint, patches_last_scan_at timestamptz,
    software jsonb, extension jsonb
)

-- name: update_details
-- A list or extension that is null here is as it was: large values that stay are neither sent nor written anew.
UPDATE asset_rmm_details AS r
SET status = d.status, hostname = d.hostname, display_name = d.display_name, os_name = d.os_name,
    os_version = d.os_version, agent_version = d.agent_version, last_seen_at = d.last_seen_at, last_user = d.last_user,
    uptime_seconds = d.uptime_seconds, lan_ip = d.lan_ip, wan_ip = d.wan_ip, cpu_model = d.cpu_model,
    cpu_cores = d.cpu_cores, ram_bytes = d.ram_bytes, disks = coalesce(d.disks, r.disks),
    antivirus_name = d.antivirus_name, antivirus_enabled = d.antivirus_enabled,
    antivirus_up_to_date = d.antivirus_up_to_date, patches_pending = d.patches_pending,
    patches_failed = d.patches_failed, patches_last_scan_at = d.patches_last_scan_at,
    software = coalesce(d.software, r.software), extension = coalesce(d.extension, r.extension), updated_at = %(now)s
FROM json_to_recordset(%(rows)s::json) AS d (
    asset_id uuid, status text, hostname text, display_name text, os_name text, os_version text, agent_version text,
    last_seen_at timestamptz, last_user text, uptime_seconds bigint, lan_ip text, wan_ip text, cpu_model text,
    cpu_cores bigint, ram_bytes bigint, disks jsonb, antivirus_name text, antivirus_enabled boolean,
    antivirus_up_to_date boolean, patches_pending bigint, patches_failed bigint, patches_last_scan_at timestamptz,
    software jsonb, extension jsonb
)
WHERE r.tenant_id = %(tenant_id)s AND r.asset_id = d.asset_id

-- name: insert_mappings
INSERT INTO external_entity_mappings
    (tenant_id, mapping_id, webhook_id, entity_type, external_id, realm_id, entity_id, sync_status, delivery_id,
    last_synced_at)
SELECT %(tenant_id)s, m.mapping_id, m.webhook_id, 'asset', m.external_id, m.realm_id, m.entity_id, m.sync_status,
    m.delivery_id, %(now)s
FROM json_to_recordset(%(rows)s::json) AS m (
    mapping_id uuid, webhook_id uuid, external_id text, realm_id text, entity_id uuid, sync_status text,
    delivery_id uuid
)
ORDER BY m.webhook_id, m.external_id, m.realm_id
ON CONFLICT DO NOTHING

-- name: update_mappings
UPDATE external_entity_mappings AS m
SET realm_id = coalesce(n.realm_id, m.realm_id), sync_status = coalesce(n.sync_status, m.sync_status),
    last_synced_at = %(now)s
FROM json_to_recordset(%(rows)s::json) AS n (webhook_id uuid, entity_id uuid, realm_id text, sync_status text)
WHERE m.tenant_id = %(tenant_id)s AND m.webhook_id = n.webhook_id AND m.entity_type = 'asset'
    AND m.entity_id = n.entity_id
