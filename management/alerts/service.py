"""Alerts of a tenant."""

from uuid import UUID

from infra.postgres import Row
from management.access import Actor
from management.alerting.telling import shown
from management.alerts.repository import AlertRepository
from management.alerts.schemas import Alert, AlertFilter
from management.paging import Page, PageMeta


class AlertService:
    """Alerts are raised and resolved by `management.alerting`; here they are read and acknowledged."""

    def __init__(self, repository: AlertRepository) -> None:
        self._repository = repository

    def page(self, tenant_id: UUID, wanted: AlertFilter) -> Page[Alert]:
        """A page, newest first."""
        rows, total = self._repository.page(tenant_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[_alert(row) for row in rows], meta=meta)

    def get(self, tenant_id: UUID, alert_id: UUID) -> Alert:
        """One alert. Raises NotFoundError, also for another tenant's."""
        return _alert(self._repository.get(tenant_id, alert_id))

    def acknowledge(self, actor: Actor, alert_id: UUID) -> Alert:
        """Say that somebody looks after it. Raises NotFoundError, ConflictError."""
        return _alert(self._repository.acknowledge(actor, alert_id))


def _alert(row: Row) -> Alert:
    return Alert.model_validate(shown(row))
