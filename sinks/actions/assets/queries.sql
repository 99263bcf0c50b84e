-- name: lock_mappings
SELECT m.realm_id, m.entity_id, a.serial_number
FROM external_entity_mappings AS m
LEFT JOIN assets AS a ON a.tenant_id = m.tenant_id AND a.id = m.entity_id
WHERE m.tenant_id = %(tenant_id)s AND m.webhook_id = %(webhook_id)s AND m.entity_type = 'asset'
    AND m.external_id = %(external_id)s
ORDER BY m.realm_id
FOR UPDATE OF m

-- name: find_devices
SELECT id, serial_number
FROM assets
WHERE tenant_id = %(tenant_id)s AND rmm_provider = %(provider)s AND rmm_device_id = %(device_id)s
ORDER BY id

-- name: lock_device
SELECT pg_advisory_xact_lock(hashtextextended(%(device)s, 0))

-- name: find_tagged
SELECT id FROM assets WHERE tenant_id = %(tenant_id)s AND lower(asset_tag) = lower(%(asset_tag)s)

-- name: lock_asset
SELECT id, client_id, asset_type, name, asset_tag, serial_number, status, location, is_active, rmm_provider,
    rmm_device_id, created_at, updated_at
FROM assets
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
FOR UPDATE

-- name: read_details
SELECT status, hostname, display_name, os_name, os_version, agent_version, last_seen_at, last_user, uptime_seconds,
    lan_ip, wan_ip, cpu_model, cpu_cores, ram_bytes, disks, antivirus_name, antivirus_enabled, antivirus_up_to_date,
    patches_pending, patches_failed, patches_last_scan_at, software, extension
FROM asset_rmm_details
WHERE tenant_id = %(tenant_id)s AND asset_id = %(id)s

-- name: insert_asset
INSERT INTO assets
    (tenant_id, id, client_id, asset_type, name, asset_tag, serial_number, status, location, is_active, rmm_provider,
    rmm_device_id, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(client_id)s, %(asset_type)s, %(name)s, %(asset_tag)s, %(serial_number)s, %(status)s,
    %(location)s, %(is_active)s, %(rmm_provider)s, %(rmm_device_id)s, %(created_at)s, %(updated_at)s)

-- name: update_asset
UPDATE assets
SET client_id = %(client_id)s, asset_type = %(asset_type)s, name = %(name)s, asset_tag = %(asset_tag)s,
    serial_number = %(serial_number)s, status = %(status)s, location = %(location)s, is_active = %(is_active)s,
    rmm_provider = %(rmm_provider)s, rmm_device_id = %(rmm_device_id)s, updated_at = %(updated_at)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: insert_details
INSERT INTO asset_rmm_details
    (tenant_id, asset_id, status, hostname, display_name, os_name, os_version, agent_version, last_seen_at, last_user,
    uptime_seconds, lan_ip, wan_ip, cpu_model, cpu_cores, ram_bytes, disks, antivirus_name, antivirus_enabled,
    antivirus_up_to_date, patches_pending, patches_failed, patches_last_scan_at, software, extension, updated_at)
VALUES (%(tenant_id)s, %(asset_id)s, %(status)s, %(hostname)s, %(display_name)s, %(os_name)s, %(os_version)s,
    %(agent_version)s, %(last_seen_at)s, %(last_user)s, %(uptime_seconds)s, %(lan_ip)s, %(wan_ip)s, %(cpu_model)s,
    %(cpu_cores)s, %(ram_bytes)s, %(disks)s::jsonb, %(antivirus_name)s, %(antivirus_enabled)s,
    %(antivirus_up_to_date)s, %(patches_pending)s, %(patches_failed)s, %(patches_last_scan_at)s, %(software)s::jsonb,
    %(extension)s::jsonb, %(now)s)

-- name: update_details
-- A list or extension that is null here is as it was: large values that stay are neither sent nor written anew.
UPDATE asset_rmm_details
SET status = %(status)s, hostname = %(hostname)s, display_name = %(display_name)s, os_name = %(os_name)s,
    os_version = %(os_version)s, agent_version = %(agent_version)s, last_seen_at = %(last_seen_at)s,
    last_user = %(last_user)s, uptime_seconds = %(uptime_seconds)s, lan_ip = %(lan_ip)s, wan_ip = %(wan_ip)s,
    cpu_model = %(cpu_model)s, cpu_cores = %(cpu_cores)s, ram_bytes = %(ram_bytes)s,
    disks = coalesce(%(disks)s::jsonb, disks), antivirus_name = %(antivirus_name)s,
    antivirus_enabled = %(antivirus_enabled)s, antivirus_up_to_date = %(antivirus_up_to_date)s,
    patches_pending = %(patches_pending)s, patches_failed = %(patches_failed)s,
    patches_last_scan_at = %(patches_last_scan_at)s, software = coalesce(%(software)s::jsonb, software),
    extension = coalesce(%(extension)s::jsonb, extension), updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND asset_id = %(asset_id)s

-- name: update_mapping
UPDATE external_entity_mappings
SET realm_id = coalesce(%(realm_id)s, realm_id), sync_status = coalesce(%(sync_status)s, sync_status),
    last_synced_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND webhook_id = %(webhook_id)s AND entity_type = 'asset'
    AND entity_id = %(entity_id)s
