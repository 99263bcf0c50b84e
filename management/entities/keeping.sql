-- name: client
SELECT id FROM clients WHERE tenant_id = %(tenant_id)s AND id = %(entity_id)s FOR KEY SHARE

-- name: contact
SELECT id FROM contacts WHERE tenant_id = %(tenant_id)s AND id = %(entity_id)s FOR KEY SHARE

-- name: asset
SELECT id FROM assets WHERE tenant_id = %(tenant_id)s AND id = %(entity_id)s FOR KEY SHARE

-- name: ticket
SELECT id FROM tickets WHERE tenant_id = %(tenant_id)s AND id = %(entity_id)s FOR KEY SHARE

-- name: invoice
SELECT id FROM invoices WHERE tenant_id = %(tenant_id)s AND id = %(entity_id)s FOR KEY SHARE

-- name: project
SELECT id FROM projects WHERE tenant_id = %(tenant_id)s AND id = %(entity_id)s FOR KEY SHARE

-- name: project_task
SELECT id FROM project_tasks WHERE tenant_id = %(tenant_id)s AND id = %(entity_id)s FOR KEY SHARE

-- name: time_entry
SELECT id FROM time_entries WHERE tenant_id = %(tenant_id)s AND id = %(entity_id)s FOR KEY SHARE
