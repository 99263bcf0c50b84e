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
    (%(tenant_id)s, %(admin)s, 'admin@demo.example', 'admin', 'Ada Admin', 'Europe/Berlin'),
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

-- name: insert_api_key
INSERT INTO api_keys (tenant_id, id, name, key_prefix, key_hash, permissions, user_id)
VALUES (%(tenant_id)s, %(api_key)s, 'Demo administrator', %(key_prefix)s, %(key_hash)s, '{*}', %(admin)s)

-- name: register_webhook
INSERT INTO webhooks (tenant_id, id, slug, name, version)
VALUES (%(tenant_id)s, %(webhook_id)s, %(slug)s, %(name)s, %(version)s)
ON CONFLICT (tenant_id, id) DO UPDATE SET slug = excluded.slug, name = excluded.name, version = excluded.version
