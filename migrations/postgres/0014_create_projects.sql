-- Projects with their phases, statuses and tasks.
CREATE TABLE projects (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    description text CHECK (char_length(description) <= 100000),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT projects_client_fkey FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id)
);
CREATE UNIQUE INDEX projects_name_key ON projects (tenant_id, client_id, lower(name));
CREATE INDEX projects_lower_name ON projects (tenant_id, lower(name));
SELECT hookline_secure_table('projects');

CREATE TABLE project_phases (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    position integer NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, project_id, id),
    CONSTRAINT project_phases_project_fkey
        FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX project_phases_name_key ON project_phases (tenant_id, project_id, lower(name));
CREATE INDEX project_phases_lower_name ON project_phases (tenant_id, lower(name));
SELECT hookline_secure_table('project_phases');

-- A status without a project is one of all projects. `scope_id` says whose it is without a null, for the key that
-- holds a task's status to the task's project.
CREATE TABLE project_statuses (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    project_id uuid,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    position integer NOT NULL,
    is_closed boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    scope_id uuid NOT NULL
        GENERATED ALWAYS AS (coalesce(project_id, '00000000-0000-0000-0000-000000000000'::uuid)) STORED,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, scope_id, id, is_closed),
    CONSTRAINT project_statuses_project_fkey
        FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX project_statuses_name_key ON project_statuses (tenant_id, scope_id, lower(name));
CREATE INDEX project_statuses_lower_name ON project_statuses (tenant_id, lower(name));
SELECT hookline_secure_table('project_statuses');

-- is_closed and status_scope_id repeat what the status is: the foreign key holds them to it.
CREATE TABLE project_tasks (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    phase_id uuid NOT NULL,
    status_id uuid NOT NULL,
    status_scope_id uuid NOT NULL,
    is_closed boolean NOT NULL,
    task_name text NOT NULL CHECK (char_length(task_name) BETWEEN 1 AND 500),
    description text CHECK (char_length(description) <= 100000),
    assigned_to uuid,
    estimated_hours double precision CHECK (estimated_hours >= 0),
    due_date timestamptz,
    priority_id uuid,
    task_type_key text NOT NULL DEFAULT 'task' CHECK (char_length(task_type_key) BETWEEN 1 AND 255),
    service_id uuid,
    webhook_id uuid,
    delivery_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT project_tasks_project_fkey
        FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT project_tasks_phase_fkey
        FOREIGN KEY (tenant_id, project_id, phase_id) REFERENCES project_phases (tenant_id, project_id, id),
    CONSTRAINT project_tasks_status_fkey FOREIGN KEY (tenant_id, status_scope_id, status_id, is_closed)
        REFERENCES project_statuses (tenant_id, scope_id, id, is_closed),
    CONSTRAINT project_tasks_assigned_to_fkey FOREIGN KEY (tenant_id, assigned_to) REFERENCES users (tenant_id, id),
    CONSTRAINT project_tasks_priority_fkey
        FOREIGN KEY (tenant_id, priority_id) REFERENCES ticket_priorities (tenant_id, id),
    CONSTRAINT project_tasks_service_fkey FOREIGN KEY (tenant_id, service_id) REFERENCES services (tenant_id, id),
    CONSTRAINT project_tasks_status_of_project
        CHECK (status_scope_id IN (project_id, '00000000-0000-0000-0000-000000000000'::uuid)),
    CONSTRAINT project_tasks_closed_has_time CHECK ((completed_at IS NOT NULL) = is_closed)
);
CREATE INDEX project_tasks_phase ON project_tasks (tenant_id, project_id, phase_id);
SELECT hookline_secure_table('project_tasks');
