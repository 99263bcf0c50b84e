"""A tenant with very many mapped external ids, of which few have an entity behind them."""

from __future__ import annotations

import psycopg

from tests.support.actions import ActionBase

_FILL = """
INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id)
SELECT %(tenant_id)s, uuidv7(), %(webhook_id)s, %(entity_type)s,
    %(entity_type)s || '-' || lpad(n::text, 7, '0'), coalesce(t.id, uuidv7())
FROM generate_series(0, %(count)s - 1) AS n
LEFT JOIN (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS position, count(*) OVER () AS tickets
    FROM tickets WHERE tenant_id = %(tenant_id)s AND %(entity_type)s = 'ticket'
) AS t ON n = t.position * (%(count)s / t.tickets)
"""


def external_id(number: int, entity_type: str = "ticket") -> str:
    """The id of this number, counted from 0."""
    return f"{entity_type}-{number:07d}"


def fill_mappings(base: ActionBase, count: int, entity_type: str = "ticket") -> None:
    """Map so many external ids of the webhook, with the tenant's tickets at equal distances among those of tickets.

    The others mean entities that are not there. Leaves the table as autovacuum would.
    """
    tenant_id, webhook_id = base.tenant.tenant_id, base.webhook_id
    parameters = {"tenant_id": tenant_id, "webhook_id": webhook_id, "entity_type": entity_type, "count": count}
    with psycopg.connect(base.dsn, autocommit=True) as connection:
        # No trigger looks for the webhook of each row: that takes as long again.
        connection.execute("SET session_replication_role = replica")
        connection.execute(_FILL, parameters)
        connection.execute("VACUUM (ANALYZE) external_entity_mappings")
