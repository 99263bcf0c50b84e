-- Webhooks as they are configured: settings, sealed secrets, versions, tests, and what is to be published of them.

-- `auth_config` and `handler_config` hold no secret. A row of an earlier release has no proof and takes no request
-- until it is configured again. `sample_payload` is JSON text: sensitive, shown to those who may update the webhook.
ALTER TABLE webhooks
    ADD COLUMN description text NOT NULL DEFAULT '' CHECK (char_length(description) <= 2000),
    ADD COLUMN is_active boolean NOT NULL DEFAULT false,
    ADD COLUMN auth_type text NOT NULL DEFAULT 'hmac_sha256',
    ADD COLUMN auth_config jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(auth_config) = 'object'),
    ADD COLUMN idempotency_source jsonb CHECK (jsonb_typeof(idempotency_source) = 'object'),
    ADD COLUMN idempotency_window_seconds integer NOT NULL DEFAULT 86400
        CHECK (idempotency_window_seconds BETWEEN 60 AND 2592000),
    ADD COLUMN ordering_key text,
    ADD COLUMN handler_type text NOT NULL DEFAULT 'direct_action' CHECK (handler_type IN ('direct_action', 'workflow')),
    ADD COLUMN handler_config jsonb NOT NULL DEFAULT '{"action": "createTicket", "field_mapping": {}}'
        CHECK (jsonb_typeof(handler_config) = 'object'),
    ADD COLUMN filters jsonb CHECK (jsonb_typeof(filters) = 'object'),
    ADD COLUMN metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    ADD COLUMN validation jsonb CHECK (jsonb_typeof(validation) = 'object'),
    ADD COLUMN priority smallint NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 3),
    ADD COLUMN rate_limit_per_minute integer NOT NULL DEFAULT 600 CHECK (rate_limit_per_minute BETWEEN 1 AND 60000),
    ADD COLUMN max_body_bytes integer NOT NULL DEFAULT 1048576 CHECK (max_body_bytes BETWEEN 1 AND 16777216),
    ADD COLUMN sample_payload json,
    ADD COLUMN sample_captured_at timestamptz,
    ADD COLUMN sample_capture_started_at timestamptz,
    ADD COLUMN sample_capture_expires_at timestamptz,
    ADD COLUMN auto_disabled_at timestamptz,
    ADD COLUMN created_by jsonb NOT NULL DEFAULT '{"type": "system", "id": null, "name": "hookline"}',
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
    ADD CHECK ((sample_capture_started_at IS NULL) = (sample_capture_expires_at IS NULL));
CREATE INDEX webhooks_by_name ON webhooks (tenant_id, lower(name), id);
CREATE INDEX webhooks_capturing ON webhooks (sample_capture_expires_at) WHERE sample_capture_expires_at IS NOT NULL;
CREATE POLICY published ON webhooks FOR SELECT TO hookline_relay USING (true);
GRANT SELECT ON webhooks TO hookline_relay;

-- Ciphertexts of `infra.secretbox`. `previous` is good until `valid_until`.
CREATE TABLE webhook_secrets (
    tenant_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    slot text NOT NULL CHECK (slot IN ('current', 'previous')),
    sealed text NOT NULL CHECK (sealed LIKE 'v1.%'),
    valid_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, webhook_id, slot),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE,
    CHECK (slot = 'previous' OR valid_until IS NULL)
);
SELECT hookline_secure_table('webhook_secrets');
CREATE POLICY published ON webhook_secrets FOR SELECT TO hookline_relay USING (true);
GRANT SELECT ON webhook_secrets TO hookline_relay;

-- What each version was: the settings without secrets, who made it, and how.
CREATE TABLE webhook_versions (
    tenant_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    change text NOT NULL CHECK (change ~ '^[a-z][a-z_]{0,62}$'),
    config jsonb NOT NULL CHECK (jsonb_typeof(config) = 'object'),
    changed_by jsonb NOT NULL CHECK (jsonb_typeof(changed_by) = 'object'),
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, webhook_id, version),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
);
SELECT hookline_secure_table('webhook_versions');

-- The last tests of a webhook: what was sent and what came back.
CREATE TABLE webhook_tests (
    tenant_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    test_id uuid NOT NULL,
    tested_at timestamptz NOT NULL DEFAULT now(),
    tested_by jsonb NOT NULL CHECK (jsonb_typeof(tested_by) = 'object'),
    dry_run boolean NOT NULL,
    request json NOT NULL,
    answer json NOT NULL,
    delivery_id uuid,
    PRIMARY KEY (tenant_id, webhook_id, test_id),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
);
SELECT hookline_secure_table('webhook_tests');

-- Webhooks whose record has to be published again. A row says only which: the relay publishes what is committed at
-- that moment and deletes the rows it read, so nothing uncommitted is published and nothing committed is forgotten.
CREATE TABLE configuration_outbox (
    tenant_id uuid NOT NULL,
    change_id uuid NOT NULL DEFAULT gen_random_uuid(),
    position bigint GENERATED ALWAYS AS IDENTITY,
    webhook_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, change_id)
);
CREATE INDEX configuration_outbox_position ON configuration_outbox (position);
SELECT hookline_secure_table('configuration_outbox');
CREATE POLICY published ON configuration_outbox TO hookline_relay USING (true);
GRANT SELECT, DELETE ON configuration_outbox TO hookline_relay;

CREATE FUNCTION hookline_notify_configuration() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('hookline_configuration', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER configuration_outbox_notify AFTER INSERT ON configuration_outbox
    FOR EACH STATEMENT EXECUTE FUNCTION hookline_notify_configuration();

-- A tenant's flags decide whether its webhooks are in force, so a change of them is a change of all.
CREATE FUNCTION hookline_enqueue_tenant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    INSERT INTO configuration_outbox (tenant_id, webhook_id) SELECT tenant_id, id FROM webhooks WHERE tenant_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER tenants_enqueue_webhooks AFTER UPDATE ON tenants FOR EACH ROW
    WHEN (OLD.entitlements IS DISTINCT FROM NEW.entitlements
        OR OLD.inbound_webhooks_enabled IS DISTINCT FROM NEW.inbound_webhooks_enabled OR OLD.slug <> NEW.slug)
    EXECUTE FUNCTION hookline_enqueue_tenant();
