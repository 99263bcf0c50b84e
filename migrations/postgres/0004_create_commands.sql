-- What makes an action happen once, and what it leaves for others: mappings, applied commands, outbox.
CREATE TABLE external_entity_mappings (
    tenant_id uuid NOT NULL,
    mapping_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    entity_type text NOT NULL CHECK (entity_type ~ '^[a-z][a-z0-9_]{0,62}$'),
    external_id varchar(255) NOT NULL CHECK (external_id <> ''),
    realm_id varchar(255) NOT NULL DEFAULT '',
    entity_id uuid NOT NULL,
    sync_status text NOT NULL DEFAULT 'synced' CHECK (sync_status IN ('synced', 'deleted')),
    metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    delivery_id uuid,
    last_synced_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, mapping_id),
    CONSTRAINT external_entity_mappings_external_key UNIQUE (tenant_id, webhook_id, entity_type, external_id, realm_id),
    CONSTRAINT external_entity_mappings_entity_key UNIQUE (tenant_id, webhook_id, entity_type, entity_id),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
);
SELECT hookline_secure_table('external_entity_mappings');

-- outcome: the handler's outcome of a dispatched command, the error of a failed one. Kept longer than the topic.
CREATE TABLE applied_commands (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    command_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    replay_id uuid,
    action text NOT NULL,
    status text NOT NULL CHECK (status IN ('dispatched', 'failed')),
    outcome json NOT NULL,
    attempts integer NOT NULL DEFAULT 1 CHECK (attempts >= 1),
    trace_id text CHECK (trace_id ~ '^[0-9a-f]{32}$'),
    applied_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, command_id)
);
CREATE INDEX applied_commands_applied_at ON applied_commands USING brin (applied_at);
SELECT hookline_secure_table('applied_commands');

CREATE TABLE outbox (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    event_id uuid NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    event_type text NOT NULL CHECK (event_type ~ '^[a-z_]+\.[a-z_]+$'),
    entity_type text NOT NULL,
    entity_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    payload json NOT NULL,
    published_at timestamptz,
    PRIMARY KEY (tenant_id, event_id)
);
CREATE INDEX outbox_unpublished ON outbox (position) WHERE published_at IS NULL;
SELECT hookline_secure_table('outbox');
