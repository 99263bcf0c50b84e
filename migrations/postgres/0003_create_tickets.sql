-- Boards with their statuses, priorities, categories, and the tickets.
CREATE TABLE ticket_priorities (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    level integer NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (tenant_id, id),
    CHECK (is_active OR NOT is_default)
);
CREATE UNIQUE INDEX ticket_priorities_name_key ON ticket_priorities (tenant_id, lower(name));
CREATE UNIQUE INDEX ticket_priorities_one_default ON ticket_priorities (tenant_id) WHERE is_default;
SELECT hookline_secure_table('ticket_priorities');

CREATE TABLE boards (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    is_default boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    default_priority_id uuid,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, default_priority_id) REFERENCES ticket_priorities (tenant_id, id),
    CHECK (is_active OR NOT is_default)
);
CREATE UNIQUE INDEX boards_name_key ON boards (tenant_id, lower(name));
CREATE UNIQUE INDEX boards_one_default ON boards (tenant_id) WHERE is_default;
SELECT hookline_secure_table('boards');

CREATE TABLE ticket_statuses (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    board_id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    position integer NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    is_closed boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, board_id, id, is_closed),
    FOREIGN KEY (tenant_id, board_id) REFERENCES boards (tenant_id, id) ON DELETE CASCADE,
    CHECK (is_active OR NOT is_default)
);
CREATE UNIQUE INDEX ticket_statuses_name_key ON ticket_statuses (tenant_id, board_id, lower(name));
CREATE UNIQUE INDEX ticket_statuses_one_default ON ticket_statuses (tenant_id, board_id) WHERE is_default;
SELECT hookline_secure_table('ticket_statuses');

-- A category of all boards has no board; a subcategory has a parent, which is never a subcategory itself.
CREATE TABLE ticket_categories (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    board_id uuid,
    parent_id uuid,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    is_active boolean NOT NULL DEFAULT true,
    is_subcategory boolean GENERATED ALWAYS AS (parent_id IS NOT NULL) STORED,
    parent_is_subcategory boolean GENERATED ALWAYS AS (CASE WHEN parent_id IS NOT NULL THEN false END) STORED,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, id, is_subcategory),
    UNIQUE (tenant_id, parent_id, id),
    FOREIGN KEY (tenant_id, board_id) REFERENCES boards (tenant_id, id),
    FOREIGN KEY (tenant_id, parent_id, parent_is_subcategory) REFERENCES ticket_categories (tenant_id, id, is_subcategory)
);
CREATE UNIQUE INDEX ticket_categories_name_key
    ON ticket_categories (tenant_id, lower(name), board_id, parent_id) NULLS NOT DISTINCT;
SELECT hookline_secure_table('ticket_categories');

-- webhook_id and delivery_id are facts of origin that outlive webhook and delivery log, so nothing refers to them.
-- is_closed repeats the status's flag: the foreign key holds it to the status, the check holds closed_at to it.
CREATE TABLE tickets (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 500),
    description text CHECK (char_length(description) <= 100000),
    client_id uuid NOT NULL,
    board_id uuid NOT NULL,
    status_id uuid NOT NULL,
    is_closed boolean NOT NULL,
    priority_id uuid,
    category_id uuid,
    subcategory_id uuid,
    location_id uuid,
    contact_id uuid,
    assigned_to uuid,
    assigned_team_id uuid,
    due_date timestamptz,
    attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object'),
    source text NOT NULL CHECK (source IN ('webhook', 'api', 'workflow')),
    webhook_id uuid,
    delivery_id uuid,
    trace_id text CHECK (trace_id ~ '^[0-9a-f]{32}$'),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, number),
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id),
    FOREIGN KEY (tenant_id, board_id, status_id, is_closed)
        REFERENCES ticket_statuses (tenant_id, board_id, id, is_closed),
    FOREIGN KEY (tenant_id, priority_id) REFERENCES ticket_priorities (tenant_id, id),
    FOREIGN KEY (tenant_id, category_id) REFERENCES ticket_categories (tenant_id, id),
    FOREIGN KEY (tenant_id, category_id, subcategory_id) REFERENCES ticket_categories (tenant_id, parent_id, id),
    FOREIGN KEY (tenant_id, client_id, location_id) REFERENCES client_locations (tenant_id, client_id, id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id),
    FOREIGN KEY (tenant_id, assigned_to) REFERENCES users (tenant_id, id),
    FOREIGN KEY (tenant_id, assigned_team_id) REFERENCES teams (tenant_id, id),
    CHECK ((closed_at IS NOT NULL) = is_closed),
    CHECK (subcategory_id IS NULL OR category_id IS NOT NULL),
    CHECK (source <> 'webhook' OR (webhook_id IS NOT NULL AND delivery_id IS NOT NULL))
);
CREATE INDEX tickets_client ON tickets (tenant_id, client_id);
SELECT hookline_secure_table('tickets');

CREATE TABLE ticket_assets (
    tenant_id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    asset_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, ticket_id, asset_id),
    FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, asset_id) REFERENCES assets (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX ticket_assets_asset ON ticket_assets (tenant_id, asset_id);
SELECT hookline_secure_table('ticket_assets');

-- Ticket numbers: one sequence per tenant. A number is never given twice and later ones are higher; a rolled-back
-- ticket leaves a gap. A counter row would have every writer of a tenant wait for the commit of the one before.
CREATE SCHEMA hookline_ticket_numbers;

CREATE FUNCTION hookline_ticket_sequence(tenant_id uuid) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN format('hookline_ticket_numbers.%I', 'tenant_' || replace(tenant_id::text, '-', ''));

CREATE FUNCTION hookline_follow_tenant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        EXECUTE 'CREATE SEQUENCE ' || hookline_ticket_sequence(NEW.id);
    ELSE
        EXECUTE 'DROP SEQUENCE ' || hookline_ticket_sequence(OLD.id);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER tenants_ticket_sequence AFTER INSERT OR DELETE ON tenants
    FOR EACH ROW EXECUTE FUNCTION hookline_follow_tenant();

-- The next `count` ticket numbers of the transaction's tenant, ascending.
CREATE FUNCTION hookline_next_ticket_numbers(count integer) RETURNS SETOF bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    numbers regclass := hookline_ticket_sequence(hookline_tenant_id())::regclass;
BEGIN
    RETURN QUERY SELECT nextval(numbers) FROM generate_series(1, count);
END
$$;
REVOKE ALL ON FUNCTION hookline_next_ticket_numbers(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hookline_next_ticket_numbers(integer) TO hookline_service;
