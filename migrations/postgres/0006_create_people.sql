-- Who may sign in and what they may do; what a tenant is entitled to; how fast its keys may call.

-- Reads what is to be published of every tenant, and nothing else: its policies stand beside the tables they open.
-- Like hookline_service it owns nothing and cannot bypass row-level security.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hookline_relay') THEN
        CREATE ROLE hookline_relay NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- another database of the same server made it meanwhile
END
$$;
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'hookline_relay', 'MEMBER') THEN
        EXECUTE format('GRANT hookline_relay TO %I', current_user);
    END IF;
END
$$;
GRANT USAGE ON SCHEMA public TO hookline_relay;

ALTER TABLE tenants
    ADD COLUMN entitlements text[] NOT NULL DEFAULT '{webhooks,public_api,workflows}'
        CHECK (entitlements <@ '{webhooks,public_api,workflows}'::text[]),
    ADD COLUMN inbound_webhooks_enabled boolean NOT NULL DEFAULT true,
    ADD COLUMN api_requests_per_minute integer NOT NULL DEFAULT 100
        CHECK (api_requests_per_minute BETWEEN 1 AND 100000),
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
-- Whoever signs in names the tenant by its slug before any tenant can be set.
CREATE POLICY presented_slug ON tenants FOR SELECT TO hookline_service
    USING (slug = nullif(current_setting('hookline.presented_tenant_slug', true), ''));
CREATE POLICY published ON tenants FOR SELECT TO hookline_relay USING (true);
GRANT SELECT ON tenants TO hookline_relay;
-- Tenants are made, entitled and taken away by the operator, never through the API; a tenant may name itself.
REVOKE INSERT, UPDATE, DELETE ON tenants FROM hookline_service;
GRANT UPDATE (name, updated_at) ON tenants TO hookline_service;

-- A user without a password hash cannot sign in.
ALTER TABLE users
    ADD COLUMN password_hash text CHECK (password_hash LIKE '$argon2id$%'),
    ADD COLUMN password_changed_at timestamptz,
    ADD COLUMN last_login_at timestamptz,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

-- `is_admin` marks the one role that has every permission, those of later releases too; it cannot be changed.
CREATE TABLE roles (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    description text NOT NULL DEFAULT '' CHECK (char_length(description) <= 2000),
    is_admin boolean NOT NULL DEFAULT false,
    permissions text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CHECK (NOT is_admin OR permissions = '{}')
);
CREATE UNIQUE INDEX roles_name_key ON roles (tenant_id, lower(name));
CREATE UNIQUE INDEX roles_one_admin ON roles (tenant_id) WHERE is_admin;
SELECT hookline_secure_table('roles');

CREATE TABLE user_roles (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, user_id, role_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id)
);
CREATE INDEX user_roles_role ON user_roles (tenant_id, role_id);
SELECT hookline_secure_table('user_roles');

-- A signed-in browser. Only a hash of its cookie is kept; the policy shows the one row whose hash was presented.
CREATE TABLE sessions (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    source_ip text NOT NULL DEFAULT '',
    user_agent text NOT NULL DEFAULT '' CHECK (char_length(user_agent) <= 512),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX sessions_user ON sessions (tenant_id, user_id);
SELECT hookline_secure_table('sessions');
CREATE POLICY presented_session ON sessions FOR SELECT TO hookline_service
    USING (token_hash = decode(nullif(current_setting('hookline.presented_session_hash', true), ''), 'hex'));

-- Failed sign-ins by subject: an account from an unknown browser, a known browser of an account, an address.
CREATE TABLE sign_in_failures (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    subject text NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 400),
    failures integer NOT NULL CHECK (failures >= 0),
    window_started_at timestamptz NOT NULL,
    blocked_until timestamptz,
    PRIMARY KEY (tenant_id, subject)
);
SELECT hookline_secure_table('sign_in_failures');

-- What a key may do is what its permissions and its user's both allow; a key without a user has its own alone.
-- '{*}' stands for everything.
ALTER TABLE api_keys
    ADD COLUMN permissions text[] NOT NULL DEFAULT '{*}',
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN created_by jsonb NOT NULL DEFAULT '{"type": "system", "id": null, "name": "hookline"}',
    ADD COLUMN last_used_from text;
UPDATE api_keys SET permissions = '{}' WHERE role <> 'admin';
ALTER TABLE api_keys DROP COLUMN role;
ALTER TABLE api_keys ALTER COLUMN permissions DROP DEFAULT;

-- Token buckets of API callers: lost in a crash of the server, which only fills them.
CREATE UNLOGGED TABLE api_rate_buckets (
    tenant_id uuid NOT NULL,
    bucket text NOT NULL,
    tokens double precision NOT NULL,
    filled_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, bucket)
);
SELECT hookline_secure_table('api_rate_buckets');
