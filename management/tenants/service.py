"""The caller's own tenant; others are as if they were not there."""

from uuid import UUID

from infra.clock import rfc3339_of
from infra.postgres import Row
from management.access import Actor
from management.errors import NotFoundError
from management.inbound_webhooks.rules.problems import Problems, check_shape
from management.paging import Page, PageMeta, PageRequest
from management.tenants.repository import TenantRepository
from management.tenants.schemas import Tenant, TenantRetentionDays, TenantUpdateInput

_RETENTION_COLUMNS = {
    "bodies": "body_retention_days",
    "rows": "row_retention_days",
    "rejections": "rejection_retention_days",
}


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
        """Change its name and its retention. Raises NotFoundError for every other, ValidationFailedError."""
        _own(actor, tenant_id)
        return _shown(self._repository.update(actor, lambda row: _changed(row, wanted)))


def _own(actor: Actor, tenant_id: UUID) -> UUID:
    if tenant_id != actor.tenant_id:
        raise NotFoundError(f"no tenant {tenant_id}")
    return tenant_id


def _changed(row: Row, wanted: TenantUpdateInput) -> Row:
    given = wanted.changes()
    days = {_RETENTION_COLUMNS[name]: value for name, value in given.pop("retention_days", {}).items()}
    after = {**row, **given, **days}
    check_shape(TenantRetentionDays, _retention(after), "retention_days", problems := Problems())
    problems.raise_if_any()
    return after


def _retention(row: Row) -> dict[str, int]:
    return {name: row[column] for name, column in _RETENTION_COLUMNS.items()}


def _shown(row: Row) -> Tenant:
    times = {name: rfc3339_of(row[name]) for name in ("created_at", "updated_at")}
    return Tenant.model_validate({**row, **times, "retention_days": _retention(row)})
