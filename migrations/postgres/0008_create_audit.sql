-- Who changed what. Entries are written with the change and never altered: the service may only add and read.
CREATE TABLE audit_entries (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    actor jsonb NOT NULL CHECK (jsonb_typeof(actor) = 'object'),
    action text NOT NULL CHECK (action ~ '^[a-z][a-z_]{0,62}\.[a-z][a-z_]{0,62}$'),
    resource_type text NOT NULL CHECK (resource_type ~ '^[a-z][a-z_]{0,62}$'),
    resource_id text NOT NULL,
    before jsonb,
    after jsonb,
    request_id text NOT NULL,
    source_ip text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX audit_entries_by_time ON audit_entries (tenant_id, occurred_at DESC, id DESC);
CREATE INDEX audit_entries_by_resource ON audit_entries (tenant_id, resource_type, resource_id, occurred_at DESC);
SELECT hookline_secure_table('audit_entries');
REVOKE UPDATE, DELETE ON audit_entries FROM hookline_service;

-- Event types that a tenant declares for its senders; Hookline's own stand in the code.
CREATE TABLE event_types (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*){0,7}$' AND char_length(name) <= 255),
    version integer NOT NULL CHECK (version >= 1),
    description text NOT NULL DEFAULT '' CHECK (char_length(description) <= 2000),
    schema json NOT NULL,
    created_by jsonb NOT NULL CHECK (jsonb_typeof(created_by) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name, version)
);
SELECT hookline_secure_table('event_types');
