"""Comments on tickets in Postgres; every statement is for one tenant."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.clock import now_us
from infra.entities.documents import Row, document
from infra.ids import uuid7_text
from infra.postgres import Connection, Pool, tenant_transaction
from infra.queries import load_whole_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.entities.references import References, refuse
from management.entities.telling import write_told
from management.entities.ticket_comments.schemas import TicketCommentFilter
from management.entities.tickets.repository import TicketRepository
from management.paging import page_parameters, read_page

_QUERIES = load_whole_queries(Path(__file__).parent / "queries.sql")


class TicketCommentRepository:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._tickets = TicketRepository(pool)

    def page(self, tenant_id: UUID, ticket_id: UUID, wanted: TicketCommentFilter) -> tuple[list[Row], int]:
        """Comments of a page, newest first, and how many there are in all. Raises NotFoundError without the ticket."""
        parameters = {"tenant_id": tenant_id, "ticket_id": ticket_id, **wanted.parameters(), **page_parameters(wanted)}
        with tenant_transaction(self._pool, tenant_id) as connection:
            self._tickets.read(connection, tenant_id, ticket_id)
            return read_page(connection, _QUERIES, parameters, count="count", rows="page")

    def create(self, actor: Actor, ticket_id: UUID, values: Mapping[str, Any]) -> Row:
        """Add a comment with its audit entry and event. Raises NotFoundError, ValidationFailedError."""
        comment_id, at = UUID(uuid7_text(now_us())), datetime.now(UTC)
        with self._tickets.changing(actor) as connection:
            ticket = self._tickets.lock(connection, actor, ticket_id)
            written = {**values, **_author(connection, actor, ticket, values)}
            key = {"tenant_id": actor.tenant_id, "id": comment_id, "ticket_id": ticket_id, "now": at}
            comment: Row = _execute(connection, "insert", {**written, **key}).fetchone()
            shown = document(comment)
            audited = {
                name: value if value is None or isinstance(value, bool) else str(value) for name, value in shown.items()
            }
            write_audit_entry(connection, actor, "ticket_comment.created", comment_id, after=audited)
            data = {**self._tickets.told_document(ticket), "comment": shown}
            del data["asset_ids"]
            write_told(connection, actor, "ticket", ticket_id, [("ticket.comment_added", data, {})], at)
            return comment


def _author(connection: Connection, actor: Actor, ticket: Row, values: Mapping[str, Any]) -> Row:
    """Who said it, and whether the client may see it. Raises ValidationFailedError."""
    contact_id, user_id, is_internal = values["contact_id"], values["user_id"], values["is_internal"]
    references = References(connection, actor.tenant_id)
    if contact_id is not None:
        if user_id is not None:
            refuse("user_id", "a comment is by a contact or by a user, not by both")
        if is_internal:
            refuse("is_internal", "what a contact says cannot be internal")
        client_id = ticket["client_id"]
        references.require_of("contact", contact_id, "contact_id", {client_id}, f"client {client_id}")
        return {"author_type": "contact", "is_internal": False}
    if user_id is not None:
        if actor.user_id not in (None, user_id):
            refuse("user_id", "whoever is a user comments as themselves")
        references.require("user", user_id, "user_id")
    elif actor.user_id is None:
        refuse("user_id", "this API key has no user: name one, or a contact")
    is_internal = True if is_internal is None else is_internal
    return {"author_type": "user", "user_id": user_id or actor.user_id, "is_internal": is_internal}


def _execute(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Any:
    return connection.execute(_QUERIES[name].encode(), parameters)
