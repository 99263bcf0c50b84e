-- Work that was done: entries, the sheets they are handed in on, and the periods of the sheets.
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE non_billable_categories (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX non_billable_categories_name_key ON non_billable_categories (tenant_id, lower(name));
SELECT hookline_secure_table('non_billable_categories');

CREATE TABLE interactions (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    contact_id uuid,
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 500),
    notes text CHECK (char_length(notes) <= 20000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT interactions_client_fkey FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id),
    CONSTRAINT interactions_contact_fkey FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id)
);
SELECT hookline_secure_table('interactions');

-- Both days belong to the period; no day belongs to two.
CREATE TABLE time_periods (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    start_date date NOT NULL,
    end_date date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT time_periods_in_order CHECK (end_date >= start_date),
    CONSTRAINT time_periods_apart
        EXCLUDE USING gist (tenant_id WITH =, daterange(start_date, end_date, '[]') WITH &&)
);
SELECT hookline_secure_table('time_periods');

CREATE TABLE time_sheets (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    period_id uuid NOT NULL,
    status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'submitted', 'approved')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, user_id, id),
    CONSTRAINT time_sheets_user_period_key UNIQUE (tenant_id, user_id, period_id),
    CONSTRAINT time_sheets_user_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT time_sheets_period_fkey FOREIGN KEY (tenant_id, period_id) REFERENCES time_periods (tenant_id, id)
);
SELECT hookline_secure_table('time_sheets');

-- What was worked on stands in the column of its type; work that was not planned (ad_hoc) has none.
CREATE TABLE time_entries (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    work_item_type text NOT NULL
        CHECK (work_item_type IN ('ticket', 'project_task', 'non_billable_category', 'ad_hoc', 'interaction')),
    ticket_id uuid,
    project_task_id uuid,
    non_billable_category_id uuid,
    interaction_id uuid,
    service_id uuid NOT NULL,
    start_time timestamptz NOT NULL,
    end_time timestamptz NOT NULL,
    duration_minutes integer NOT NULL CHECK (duration_minutes BETWEEN 1 AND 1440),
    is_billable boolean NOT NULL,
    billable_minutes integer NOT NULL,
    work_date date NOT NULL,
    time_sheet_id uuid,
    notes text CHECK (char_length(notes) <= 20000),
    tax_region text CHECK (char_length(tax_region) BETWEEN 1 AND 255),
    webhook_id uuid,
    delivery_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT time_entries_user_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT time_entries_ticket_fkey FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id),
    CONSTRAINT time_entries_project_task_fkey
        FOREIGN KEY (tenant_id, project_task_id) REFERENCES project_tasks (tenant_id, id),
    CONSTRAINT time_entries_category_fkey
        FOREIGN KEY (tenant_id, non_billable_category_id) REFERENCES non_billable_categories (tenant_id, id),
    CONSTRAINT time_entries_interaction_fkey
        FOREIGN KEY (tenant_id, interaction_id) REFERENCES interactions (tenant_id, id),
    CONSTRAINT time_entries_service_fkey FOREIGN KEY (tenant_id, service_id) REFERENCES services (tenant_id, id),
    CONSTRAINT time_entries_sheet_fkey
        FOREIGN KEY (tenant_id, user_id, time_sheet_id) REFERENCES time_sheets (tenant_id, user_id, id),
    CONSTRAINT time_entries_one_work_item CHECK (
        num_nonnulls(ticket_id, project_task_id, non_billable_category_id, interaction_id)
        = CASE work_item_type WHEN 'ad_hoc' THEN 0 ELSE 1 END
        AND CASE work_item_type
            WHEN 'ticket' THEN ticket_id IS NOT NULL
            WHEN 'project_task' THEN project_task_id IS NOT NULL
            WHEN 'non_billable_category' THEN non_billable_category_id IS NOT NULL
            WHEN 'interaction' THEN interaction_id IS NOT NULL
            ELSE true
        END
    ),
    CONSTRAINT time_entries_ends_after_duration
        CHECK (end_time = start_time + make_interval(mins => duration_minutes)),
    CONSTRAINT time_entries_billable_minutes
        CHECK (billable_minutes = CASE WHEN is_billable THEN duration_minutes ELSE 0 END),
    CONSTRAINT time_entries_category_is_free CHECK (work_item_type <> 'non_billable_category' OR NOT is_billable)
);
CREATE INDEX time_entries_user ON time_entries (tenant_id, user_id, work_date);
CREATE INDEX time_entries_sheet ON time_entries (tenant_id, time_sheet_id) WHERE time_sheet_id IS NOT NULL;
SELECT hookline_secure_table('time_entries');
