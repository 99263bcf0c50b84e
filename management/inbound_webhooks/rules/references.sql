-- name: client
SELECT id FROM clients
WHERE tenant_id = %(tenant_id)s AND NOT is_inactive AND (id = %(id)s::uuid OR lower(name) = lower(%(name)s::text))
LIMIT 2

-- name: board
SELECT id FROM boards
WHERE tenant_id = %(tenant_id)s AND is_active AND (id = %(id)s::uuid OR lower(name) = lower(%(name)s::text))
LIMIT 2

-- name: ticket_status
SELECT id FROM ticket_statuses
WHERE tenant_id = %(tenant_id)s AND is_active AND (id = %(id)s::uuid OR lower(name) = lower(%(name)s::text))
LIMIT 2

-- name: ticket_priority
SELECT id FROM ticket_priorities
WHERE tenant_id = %(tenant_id)s AND is_active AND (id = %(id)s::uuid OR lower(name) = lower(%(name)s::text))
LIMIT 2

-- name: ticket_category
SELECT id FROM ticket_categories
WHERE tenant_id = %(tenant_id)s AND is_active AND parent_id IS NULL
    AND (id = %(id)s::uuid OR lower(name) = lower(%(name)s::text))
LIMIT 2

-- name: ticket_subcategory
SELECT id FROM ticket_categories
WHERE tenant_id = %(tenant_id)s AND is_active AND parent_id IS NOT NULL
    AND (id = %(id)s::uuid OR lower(name) = lower(%(name)s::text))
LIMIT 2

-- name: client_location
SELECT id FROM client_locations
WHERE tenant_id = %(tenant_id)s AND is_active AND (id = %(id)s::uuid OR lower(name) = lower(%(name)s::text))
LIMIT 2

-- name: contact
SELECT id FROM contacts
WHERE tenant_id = %(tenant_id)s AND NOT is_inactive AND (id = %(id)s::uuid OR lower(email) = lower(%(name)s::text))
LIMIT 2

-- name: asset
WITH by_tag AS (
    SELECT id FROM assets
    WHERE tenant_id = %(tenant_id)s AND is_active AND lower(asset_tag) = lower(%(name)s::text)
)
SELECT id FROM by_tag
UNION
SELECT id FROM assets
WHERE tenant_id = %(tenant_id)s AND is_active
    AND (id = %(id)s::uuid OR (lower(name) = lower(%(name)s::text) AND NOT EXISTS (SELECT FROM by_tag)))
LIMIT 2

-- name: user
SELECT id FROM users
WHERE tenant_id = %(tenant_id)s AND is_active
    AND (id = %(id)s::uuid OR lower(email) = lower(%(name)s::text) OR lower(username) = lower(%(name)s::text))
LIMIT 2

-- name: team
SELECT id FROM teams
WHERE tenant_id = %(tenant_id)s AND is_active AND (id = %(id)s::uuid OR lower(name) = lower(%(name)s::text))
LIMIT 2
