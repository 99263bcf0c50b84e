-- What a tenant has changed of a rule's parameters: of all its webhooks (webhook_id null) or of one. Only what differs
-- from the defaults stands here; the rules themselves are in the code.
CREATE TABLE alert_rules (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    rule text NOT NULL CHECK (rule ~ '^[a-z][a-z_]{0,62}$'),
    webhook_id uuid,
    parameters jsonb NOT NULL CHECK (jsonb_typeof(parameters) = 'object'),
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by jsonb NOT NULL CHECK (jsonb_typeof(updated_by) = 'object'),
    UNIQUE NULLS NOT DISTINCT (tenant_id, rule, webhook_id),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
);
SELECT hookline_secure_table('alert_rules');
CREATE POLICY evaluated ON alert_rules FOR SELECT TO hookline_relay USING (true);
GRANT SELECT ON alert_rules TO hookline_relay;
