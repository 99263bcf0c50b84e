-- Tenants, who may act for them, and the role the services work as.
--
-- hookline_service owns nothing and cannot bypass row-level security. Whoever runs the migrations is granted it, so
-- that a service which connects as that user steps down with SET ROLE. In production the services connect as a login
-- role that is a member of hookline_service and of nothing else; only `hookline migrate` uses the owner's account.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hookline_service') THEN
        CREATE ROLE hookline_service NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- another database of the same server made it meanwhile
END
$$;
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'hookline_service', 'MEMBER') THEN
        EXECUTE format('GRANT hookline_service TO %I', current_user);
    END IF;
END
$$;
GRANT USAGE ON SCHEMA public TO hookline_service;

-- The tenant of the running transaction; null when none is set, and then no row is visible.
CREATE FUNCTION hookline_tenant_id() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('hookline.tenant_id', true), '')::uuid;

-- Row-level security, forced on the owner too, and the service role's rights on a table that has tenant_id.
CREATE FUNCTION hookline_secure_table(secured regclass, tenant_column text DEFAULT 'tenant_id') RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', secured);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', secured);
    EXECUTE format(
        'CREATE POLICY own_tenant ON %s USING (%I = hookline_tenant_id()) WITH CHECK (%I = hookline_tenant_id())',
        secured, tenant_column, tenant_column
    );
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO hookline_service', secured);
END
$$;
REVOKE ALL ON FUNCTION hookline_secure_table(regclass, text) FROM PUBLIC;

CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$'),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    created_at timestamptz NOT NULL DEFAULT now()
);
SELECT hookline_secure_table('tenants', 'id');

CREATE TABLE users (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    email text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 255),
    username text NOT NULL CHECK (char_length(username) BETWEEN 1 AND 255),
    full_name text NOT NULL DEFAULT '',
    time_zone text NOT NULL DEFAULT 'UTC',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX users_email_key ON users (tenant_id, lower(email));
CREATE UNIQUE INDEX users_username_key ON users (tenant_id, lower(username));
SELECT hookline_secure_table('users');

CREATE TABLE teams (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    is_active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX teams_name_key ON teams (tenant_id, lower(name));
SELECT hookline_secure_table('teams');

CREATE TABLE api_keys (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    key_prefix text NOT NULL CHECK (key_prefix ~ '^ixk_.{4}$'),
    key_hash bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
    role text NOT NULL CHECK (role IN ('admin', 'restricted')),
    user_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
SELECT hookline_secure_table('api_keys');

CREATE TABLE webhooks (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    slug text NOT NULL CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$'),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, slug)
);
SELECT hookline_secure_table('webhooks');
