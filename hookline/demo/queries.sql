-- name: list_ticket_ids
SELECT mapping.external_id
FROM tickets AS ticket
LEFT JOIN external_entity_mappings AS mapping
    ON mapping.tenant_id = ticket.tenant_id AND mapping.entity_type = 'ticket' AND mapping.entity_id = ticket.id
WHERE ticket.tenant_id = %(tenant_id)s AND ticket.webhook_id = %(webhook_id)s

-- name: list_example_tickets
SELECT number, coalesce(priority, '-') AS priority, title, coalesce(sender, '-') AS sender
FROM (
    SELECT DISTINCT ON (ticket.attributes ->> 'sender')
        ticket.number, priority.name AS priority, ticket.title, ticket.attributes ->> 'sender' AS sender
    FROM tickets AS ticket
    LEFT JOIN ticket_priorities AS priority
        ON priority.tenant_id = ticket.tenant_id AND priority.id = ticket.priority_id
    WHERE ticket.tenant_id = %(tenant_id)s AND ticket.webhook_id = %(webhook_id)s
    ORDER BY ticket.attributes ->> 'sender', ticket.number
) AS first_of_each_sender
ORDER BY number
LIMIT 5
