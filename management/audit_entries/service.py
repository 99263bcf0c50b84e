"""The audit of a tenant."""

from uuid import UUID

from infra.clock import rfc3339_of
from management.audit_entries.repository import AuditRepository
from management.audit_entries.schemas import AuditEntry, AuditFilter
from management.paging import Page, PageMeta


class AuditService:
    """Reads only: entries are written by the changes themselves and never altered."""

    def __init__(self, repository: AuditRepository) -> None:
        self._repository = repository

    def page(self, tenant_id: UUID, wanted: AuditFilter) -> Page[AuditEntry]:
        """A page, newest first."""
        rows, total = self._repository.page(tenant_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        entries = [AuditEntry(**{**row, "occurred_at": rfc3339_of(row["occurred_at"])}) for row in rows]
        return Page(data=entries, meta=meta)
