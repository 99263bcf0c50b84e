"""Rejections of a tenant."""

from uuid import UUID

import orjson

from infra.clickhouse import Row
from infra.clock import rfc3339
from management.paging import Page, PageMeta
from management.rejections.repository import RejectionRepository
from management.rejections.schemas import Rejection, RejectionFilter

_UNKNOWN = UUID(int=0)


class RejectionService:
    """Reads only; a tenant sees its own rejections."""

    def __init__(self, repository: RejectionRepository) -> None:
        self._repository = repository

    def page(self, tenant_id: UUID, wanted: RejectionFilter) -> Page[Rejection]:
        """A page, newest first."""
        rows, total = self._repository.page(tenant_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[_rejection(row) for row in rows], meta=meta)


def _rejection(row: Row) -> Rejection:
    return Rejection(
        rejection_id=row["rejection_id"],
        rejected_at=rfc3339(row["rejected_at_us"]),
        webhook_id=None if row["webhook_id"] == _UNKNOWN else row["webhook_id"],
        method=row["method"],
        path=row["path"],
        headers=orjson.loads(row["headers"] or "{}"),
        source_ip=row["source_ip"],
        user_agent=row["user_agent"],
        reason=row["reason"],
        count=row["count"],
    )
