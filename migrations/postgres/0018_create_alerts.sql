-- What Hookline itself finds wrong: one open alert per tenant, rule and subject. tenant_id is null for what concerns the
-- installation: no tenant sees those. `subject` is what the alert is about (a webhook's id, or a name); `webhook_id` is
-- no foreign key, since an alert outlives its webhook.
CREATE TABLE alerts (
    tenant_id uuid REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    rule text NOT NULL CHECK (rule ~ '^[a-z][a-z_]{0,62}$'),
    subject text NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 255),
    webhook_id uuid,
    severity text NOT NULL CHECK (severity IN ('warning', 'critical')),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved')),
    message text NOT NULL CHECK (char_length(message) BETWEEN 1 AND 2000),
    details jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(details) = 'object'),
    raised_at timestamptz NOT NULL,
    resolved_at timestamptz,
    resolution text CHECK (char_length(resolution) BETWEEN 1 AND 2000),
    acknowledged_at timestamptz,
    acknowledged_by jsonb CHECK (jsonb_typeof(acknowledged_by) = 'object'),
    UNIQUE NULLS NOT DISTINCT (tenant_id, id),
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL)),
    CHECK ((state = 'resolved') = (resolution IS NOT NULL)),
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);
CREATE UNIQUE INDEX alerts_one_open ON alerts (tenant_id, rule, subject) NULLS NOT DISTINCT WHERE state = 'open';
CREATE INDEX alerts_by_time ON alerts (tenant_id, raised_at DESC, id DESC);
SELECT hookline_secure_table('alerts');
-- They are raised and resolved by the evaluation alone, which works as hookline_relay; a tenant acknowledges its own.
REVOKE INSERT, UPDATE, DELETE ON alerts FROM hookline_service;
GRANT UPDATE (acknowledged_at, acknowledged_by) ON alerts TO hookline_service;
CREATE POLICY evaluated ON alerts TO hookline_relay USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON alerts TO hookline_relay;
GRANT UPDATE (state, resolved_at, resolution) ON alerts TO hookline_relay;
-- What it finds is told in domain events, in the same transaction.
GRANT INSERT ON outbox TO hookline_relay;
