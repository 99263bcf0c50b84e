-- How many days the log keeps what. A webhook without `retention_days` ({"bodies": …, "rows": …}) has its tenant's.
ALTER TABLE tenants
    ADD COLUMN body_retention_days integer NOT NULL DEFAULT 30 CHECK (body_retention_days BETWEEN 0 AND 3650),
    ADD COLUMN row_retention_days integer NOT NULL DEFAULT 400 CHECK (row_retention_days BETWEEN 7 AND 3650),
    ADD COLUMN rejection_retention_days integer NOT NULL DEFAULT 14
        CHECK (rejection_retention_days BETWEEN 1 AND 3650),
    ADD CHECK (row_retention_days >= body_retention_days);
GRANT UPDATE (body_retention_days, row_retention_days, rejection_retention_days) ON tenants TO hookline_service;
ALTER TABLE webhooks
    ADD COLUMN retention_days jsonb CHECK (jsonb_typeof(retention_days) = 'object');
CREATE INDEX webhooks_with_retention ON webhooks (tenant_id, id) WHERE retention_days IS NOT NULL;
