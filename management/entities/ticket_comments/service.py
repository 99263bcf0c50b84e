"""Comments on the tickets of a tenant."""

from uuid import UUID

from infra.entities.documents import Row
from infra.postgres import Pool
from management.access import Actor
from management.entities.ticket_comments.repository import TicketCommentRepository
from management.entities.ticket_comments.schemas import TicketComment, TicketCommentCreateInput, TicketCommentFilter
from management.paging import Page, PageMeta


class TicketCommentService:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._repository = TicketCommentRepository(pool)

    def page(self, tenant_id: UUID, ticket_id: UUID, wanted: TicketCommentFilter) -> Page[TicketComment]:
        """A page, newest first. Raises NotFoundError without the ticket."""
        rows, total = self._repository.page(tenant_id, ticket_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[_shown(row) for row in rows], meta=meta)

    def create(self, actor: Actor, ticket_id: UUID, wanted: TicketCommentCreateInput) -> TicketComment:
        """A new comment. Raises NotFoundError, ValidationFailedError."""
        return _shown(self._repository.create(actor, ticket_id, wanted.values()))


def _shown(row: Row) -> TicketComment:
    return TicketComment.model_validate(row)
