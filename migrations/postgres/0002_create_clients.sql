-- Whom tickets are for: clients with their locations, contacts and assets.
CREATE TABLE clients (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    client_type text NOT NULL DEFAULT 'company' CHECK (client_type IN ('company', 'individual')),
    url text,
    phone_no text,
    email text,
    address text,
    address_2 text,
    city text,
    state text,
    zip text,
    country text,
    default_currency_code text CHECK (default_currency_code ~ '^[A-Z]{3}$'),
    notes text CHECK (char_length(notes) <= 20000),
    properties jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(properties) = 'object'),
    is_inactive boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX clients_name_key ON clients (tenant_id, lower(name));
SELECT hookline_secure_table('clients');

CREATE TABLE client_locations (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    is_active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, client_id, id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX client_locations_name_key ON client_locations (tenant_id, client_id, lower(name));
CREATE INDEX client_locations_lower_name ON client_locations (tenant_id, lower(name));
SELECT hookline_secure_table('client_locations');

CREATE TABLE contacts (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    full_name text NOT NULL CHECK (char_length(full_name) BETWEEN 1 AND 255),
    email text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 255),
    phone text,
    role text,
    notes text CHECK (char_length(notes) <= 20000),
    is_inactive boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id)
);
CREATE UNIQUE INDEX contacts_email_key ON contacts (tenant_id, lower(email));
CREATE INDEX contacts_client ON contacts (tenant_id, client_id);
SELECT hookline_secure_table('contacts');

CREATE TABLE assets (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    asset_type text NOT NULL DEFAULT 'unknown',
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    asset_tag text CHECK (char_length(asset_tag) BETWEEN 1 AND 255),
    serial_number text,
    status text NOT NULL DEFAULT 'active',
    location text,
    is_active boolean NOT NULL DEFAULT true,
    rmm_provider text,
    rmm_device_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id),
    CHECK (rmm_device_id IS NULL OR rmm_provider IS NOT NULL)
);
CREATE UNIQUE INDEX assets_tag_key ON assets (tenant_id, lower(asset_tag)) WHERE asset_tag IS NOT NULL;
CREATE INDEX assets_lower_name ON assets (tenant_id, lower(name));
CREATE INDEX assets_client ON assets (tenant_id, client_id);
SELECT hookline_secure_table('assets');
