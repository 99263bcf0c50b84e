-- What device snapshots tell of an asset beyond its own columns; one row at most, made by the first snapshot.
--
-- Several assets may have one provider and device id: a device whose serial number differs is another device.
CREATE INDEX assets_rmm_device ON assets (tenant_id, rmm_provider, rmm_device_id) WHERE rmm_device_id IS NOT NULL;

CREATE TABLE asset_rmm_details (
    tenant_id uuid NOT NULL,
    asset_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'offline', 'deleted')),
    hostname text,
    display_name text,
    os_name text,
    os_version text,
    agent_version text,
    last_seen_at timestamptz,
    last_user text,
    uptime_seconds bigint CHECK (uptime_seconds >= 0),
    lan_ip text,
    wan_ip text,
    cpu_model text,
    cpu_cores bigint CHECK (cpu_cores >= 0),
    ram_bytes bigint CHECK (ram_bytes >= 0),
    disks jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(disks) = 'array'),
    antivirus_name text,
    antivirus_enabled boolean,
    antivirus_up_to_date boolean,
    patches_pending bigint CHECK (patches_pending >= 0),
    patches_failed bigint CHECK (patches_failed >= 0),
    patches_last_scan_at timestamptz,
    software jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(software) = 'array'),
    extension jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(extension) = 'object'),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, asset_id),
    FOREIGN KEY (tenant_id, asset_id) REFERENCES assets (tenant_id, id) ON DELETE CASCADE
);
SELECT hookline_secure_table('asset_rmm_details');
