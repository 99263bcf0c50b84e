-- How long tenants and webhooks want their rows kept, where it is not the default: management copies it here from
-- Postgres, the sink and the statements that apply a change read it. A row with the nil UUID as its webhook is the
-- tenant's own. Null: as the tenant, or the default. A webhook that was deleted keeps its row, as its deliveries stay.
CREATE TABLE IF NOT EXISTS retention_settings
(
    tenant_id UUID,
    webhook_id UUID,
    body_days Nullable(UInt16),
    row_days Nullable(UInt16),
    rejection_days Nullable(UInt16),
    changed_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY (tenant_id, webhook_id)
SETTINGS non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000;
