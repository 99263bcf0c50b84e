-- name: shown_columns
a.id, a.client_id, a.asset_type, a.name, a.asset_tag, a.serial_number, a.status, a.location, a.is_active,
    a.rmm_provider, a.rmm_device_id, a.created_at, a.updated_at, r.status AS rmm_status, r.hostname AS rmm_hostname,
    r.display_name AS rmm_display_name, r.os_name AS rmm_os_name, r.os_version AS rmm_os_version,
    r.agent_version AS rmm_agent_version, r.last_seen_at AS rmm_last_seen_at, r.last_user AS rmm_last_user,
    r.uptime_seconds AS rmm_uptime_seconds, r.lan_ip AS rmm_lan_ip, r.wan_ip AS rmm_wan_ip,
    r.cpu_model AS rmm_cpu_model, r.cpu_cores AS rmm_cpu_cores, r.ram_bytes AS rmm_ram_bytes, r.disks AS rmm_disks,
    r.antivirus_name AS rmm_antivirus_name, r.antivirus_enabled AS rmm_antivirus_enabled,
    r.antivirus_up_to_date AS rmm_antivirus_up_to_date, r.patches_pending AS rmm_patches_pending,
    r.patches_failed AS rmm_patches_failed, r.patches_last_scan_at AS rmm_patches_last_scan_at

-- name: where_wanted
AND (%(since)s::timestamptz IS NULL OR a.created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR a.created_at < %(until)s)
    AND (%(client_id)s::uuid IS NULL OR a.client_id = %(client_id)s)
    AND (%(is_active)s::boolean IS NULL OR a.is_active = %(is_active)s)
    AND (%(asset_type)s::text IS NULL OR a.asset_type = %(asset_type)s)
    AND (
        position(lower(%(search)s) IN lower(a.name)) > 0
        OR position(lower(%(search)s) IN lower(coalesce(a.asset_tag, ''))) > 0
        OR position(lower(%(search)s) IN lower(coalesce(a.serial_number, ''))) > 0
    )

-- name: count
SELECT count(*) AS total
FROM assets AS a
WHERE a.tenant_id = %(tenant_id)s
    /*where_wanted*/

-- name: page
SELECT /*shown_columns*/,
    r.extension AS rmm_extension, jsonb_array_length(r.software) AS rmm_software_count
FROM assets AS a
LEFT JOIN asset_rmm_details AS r ON r.tenant_id = %(tenant_id)s AND r.asset_id = a.id
WHERE a.tenant_id = %(tenant_id)s
    /*where_wanted*/
ORDER BY a.created_at DESC, a.id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: read
SELECT /*shown_columns*/,
    r.extension AS rmm_extension, r.software AS rmm_software, jsonb_array_length(r.software) AS rmm_software_count
FROM assets AS a
LEFT JOIN asset_rmm_details AS r ON r.tenant_id = %(tenant_id)s AND r.asset_id = a.id
WHERE a.tenant_id = %(tenant_id)s AND a.id = %(id)s

-- name: lock
SELECT id FROM assets WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: insert
INSERT INTO assets
    (tenant_id, id, client_id, asset_type, name, asset_tag, serial_number, status, location, is_active, rmm_provider,
    rmm_device_id, created_at, updated_at)
VALUES
    (%(tenant_id)s, %(id)s, %(client_id)s, %(asset_type)s, %(name)s, %(asset_tag)s, %(serial_number)s, %(status)s,
    %(location)s, %(is_active)s, %(rmm_provider)s, %(rmm_device_id)s, %(now)s, %(now)s)

-- name: update
UPDATE assets
SET client_id = %(client_id)s, asset_type = %(asset_type)s, name = %(name)s, asset_tag = %(asset_tag)s,
    serial_number = %(serial_number)s, status = %(status)s, location = %(location)s, is_active = %(is_active)s,
    rmm_provider = %(rmm_provider)s, rmm_device_id = %(rmm_device_id)s, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: delete
DELETE FROM assets WHERE tenant_id = %(tenant_id)s AND id = %(id)s
