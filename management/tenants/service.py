"""The caller's own tenant; others are as if they were not there."""

from uuid import UUID

from infra.clock import rfc3339_of
from infra.postgres import Row
from management.access import Actor
from management.errors import NotFoundError
from management.paging import Page, PageMeta, PageRequest
from management.tenants.repository import TenantRepository
from management.tenants.schemas import Tenant, TenantUpdateInput


class TenantService:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, repository: TenantRepository) -> None:
        self._repository = repository

    def page(self, actor: Actor, wanted: PageRequest) -> Page[Tenant]:
        """A list of one, unless the page or the time window leaves it out."""
        row = self._repository.get(actor.tenant_id)
        since, until = wanted.since or row["created_at"], wanted.until
        total = int(since <= row["created_at"] and (until is None or row["created_at"] < until))
        data = [_shown(row)] if total and wanted.page == 1 else []
        return Page(data=data, meta=PageMeta(page=wanted.page, per_page=wanted.per_page, total=total))

    def get(self, actor: Actor, tenant_id: UUID) -> Tenant:
        """The tenant. Raises NotFoundError for every other."""
        return _shown(self._repository.get(_own(actor, tenant_id)))

    def update(self, actor: Actor, tenant_id: UUID, wanted: TenantUpdateInput) -> Tenant:
        """Rename the tenant. Raises NotFoundError for every other."""
        _own(actor, tenant_id)
        changes = wanted.changes()
        row = self._repository.rename(actor, changes["name"]) if changes else self._repository.get(tenant_id)
        return _shown(row)


def _own(actor: Actor, tenant_id: UUID) -> UUID:
    if tenant_id != actor.tenant_id:
        raise NotFoundError(f"no tenant {tenant_id}")
    return tenant_id


def _shown(row: Row) -> Tenant:
    times = {name: rfc3339_of(row[name]) for name in ("created_at", "updated_at")}
    return Tenant.model_validate({**row, **times})
