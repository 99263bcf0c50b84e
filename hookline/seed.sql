-- name: insert_tenant
INSERT INTO tenants (id, slug, name, api_requests_per_minute) VALUES (%(tenant_id)s, 'demo', 'Demo', 6000)
ON CONFLICT DO NOTHING

-- name: insert_roles
INSERT INTO roles (tenant_id, id, name, description, is_admin)
VALUES (%(tenant_id)s, %(admin_role)s, 'admin', 'Everything', true)

-- name: give_roles
INSERT INTO user_roles (tenant_id, user_id, role_id) VALUES (%(tenant_id)s, %(admin)s, %(admin_role)s)

-- name: insert_people
INSERT INTO users (tenant_id, id, email, username, full_name, time_zone)
VALUES
    (%(tenant_id)s, %(admin)s, %(admin_email)s, 'admin', 'Ada Admin', 'Europe/Berlin'),
    (%(tenant_id)s, %(technician)s, 'technician@demo.example', 'technician', 'Theo Technician', 'Europe/Berlin')

-- name: insert_team
INSERT INTO teams (tenant_id, id, name) VALUES (%(tenant_id)s, %(team)s, 'Service Desk')

-- name: insert_priorities
INSERT INTO ticket_priorities (tenant_id, id, name, level, is_default)
VALUES
    (%(tenant_id)s, %(low)s, 'Low', 1, false),
    (%(tenant_id)s, %(medium)s, 'Medium', 2, true),
    (%(tenant_id)s, %(high)s, 'High', 3, false),
    (%(tenant_id)s, %(critical)s, 'Critical', 4, false)

-- name: insert_board
INSERT INTO boards (tenant_id, id, name, is_default) VALUES (%(tenant_id)s, %(board)s, 'Service Desk', true)

-- name: insert_statuses
INSERT INTO ticket_statuses (tenant_id, id, board_id, name, position, is_default, is_closed)
VALUES
    (%(tenant_id)s, %(new)s, %(board)s, 'New', 1, true, false),
    (%(tenant_id)s, %(in_progress)s, %(board)s, 'In progress', 2, false, false),
    (%(tenant_id)s, %(waiting)s, %(board)s, 'Waiting', 3, false, false),
    (%(tenant_id)s, %(resolved)s, %(board)s, 'Resolved', 4, false, true),
    (%(tenant_id)s, %(closed)s, %(board)s, 'Closed', 5, false, true)

-- name: insert_category
INSERT INTO ticket_categories (tenant_id, id, parent_id, name)
VALUES (%(tenant_id)s, %(category)s, NULL, 'Hardware'), (%(tenant_id)s, %(subcategory)s, %(category)s, 'Disk')

-- name: insert_client
INSERT INTO clients (tenant_id, id, name) VALUES (%(tenant_id)s, %(client)s, 'Acme Ltd')

-- name: insert_location
INSERT INTO client_locations (tenant_id, id, client_id, name)
VALUES (%(tenant_id)s, %(location)s, %(client)s, 'Head office')

-- name: insert_contact
INSERT INTO contacts (tenant_id, id, client_id, full_name, email)
VALUES (%(tenant_id)s, %(contact)s, %(client)s, 'Carla Contact', 'carla@acme.example')

-- name: insert_asset
INSERT INTO assets (tenant_id, id, client_id, asset_type, name, asset_tag)
VALUES (%(tenant_id)s, %(asset)s, %(client)s, 'server', 'srv-01', 'ACME-0001')

-- name: insert_service
INSERT INTO services (tenant_id, id, name) VALUES (%(tenant_id)s, %(service)s, 'Remote support')

-- name: insert_non_billable_category
INSERT INTO non_billable_categories (tenant_id, id, name) VALUES (%(tenant_id)s, %(non_billable_category)s, 'Training')

-- name: insert_invoice
INSERT INTO invoices (tenant_id, id, client_id, number, status, total_minor, currency)
VALUES (%(tenant_id)s, %(invoice)s, %(client)s, 'INV-0001', 'sent', 118800, 'EUR')

-- name: insert_project
INSERT INTO projects (tenant_id, id, client_id, name) VALUES (%(tenant_id)s, %(project)s, %(client)s, 'Server rollout')

-- name: insert_phases
INSERT INTO project_phases (tenant_id, id, project_id, name, position)
VALUES
    (%(tenant_id)s, %(planning)s, %(project)s, 'Planning', 1),
    (%(tenant_id)s, %(rollout)s, %(project)s, 'Rollout', 2)

-- name: insert_project_statuses
INSERT INTO project_statuses (tenant_id, id, name, position, is_closed)
VALUES
    (%(tenant_id)s, %(to_do)s, 'To do', 1, false),
    (%(tenant_id)s, %(doing)s, 'In progress', 2, false),
    (%(tenant_id)s, %(done)s, 'Done', 3, true)

-- name: insert_period
INSERT INTO time_periods (tenant_id, id, start_date, end_date)
VALUES (%(tenant_id)s, %(period)s, date_trunc('month', now())::date, (date_trunc('month', now()) + '1 month - 1 day')::date)

-- name: insert_api_key
INSERT INTO api_keys (tenant_id, id, name, key_prefix, key_hash, permissions, user_id)
VALUES (%(tenant_id)s, %(api_key)s, 'Demo administrator', %(key_prefix)s, %(key_hash)s, '{*}', %(admin)s)

-- name: insert_webhook
INSERT INTO webhooks (tenant_id, id, slug, name)
VALUES (%(tenant_id)s, %(webhook)s, 'rmm-alerts', 'RMM alerts')

-- name: find_configuration
SELECT auth_config <> '{}' AS configured FROM webhooks WHERE tenant_id = %(tenant_id)s AND id = %(webhook_id)s

-- name: write_webhook
INSERT INTO webhooks
    (tenant_id, id, slug, name, version, is_active, auth_type, auth_config, idempotency_source,
    idempotency_window_seconds, ordering_key, handler_type, handler_config, filters, metadata, validation, priority,
    rate_limit_per_minute, max_body_bytes)
VALUES
    (%(tenant_id)s, %(webhook_id)s, %(slug)s, %(name)s, %(version)s, %(is_active)s, %(auth_type)s, %(auth_config)s,
    %(idempotency_source)s, %(idempotency_window_seconds)s, %(ordering_key)s, %(handler_type)s, %(handler_config)s,
    %(filters)s, %(metadata)s, %(validation)s, %(priority)s, %(rate_limit_per_minute)s, %(max_body_bytes)s)
ON CONFLICT (tenant_id, id) DO UPDATE
SET slug = excluded.slug, name = excluded.name, version = excluded.version, is_active = excluded.is_active,
    auth_type = excluded.auth_type, auth_config = excluded.auth_config,
    idempotency_source = excluded.idempotency_source,
    idempotency_window_seconds = excluded.idempotency_window_seconds, ordering_key = excluded.ordering_key,
    handler_type = excluded.handler_type, handler_config = excluded.handler_config, filters = excluded.filters,
    metadata = excluded.metadata, validation = excluded.validation, priority = excluded.priority,
    rate_limit_per_minute = excluded.rate_limit_per_minute, max_body_bytes = excluded.max_body_bytes

-- name: write_secret
INSERT INTO webhook_secrets (tenant_id, webhook_id, slot, sealed, valid_until)
VALUES (%(tenant_id)s, %(webhook_id)s, %(slot)s, %(sealed)s, to_timestamp(%(valid_until_us)s::float8 / 1000000))
ON CONFLICT (tenant_id, webhook_id, slot) DO UPDATE SET sealed = excluded.sealed, valid_until = excluded.valid_until

-- name: write_version
INSERT INTO webhook_versions (tenant_id, webhook_id, version, change, config, changed_by)
VALUES (%(tenant_id)s, %(webhook_id)s, %(version)s, 'created', %(config)s, %(changed_by)s)
ON CONFLICT DO NOTHING
